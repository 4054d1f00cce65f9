/**
 * Asking again and again: quickly while something changes, slowly when nothing does, not at all while nobody looks.
 *
 * An answer that takes long is asked for as much more rarely: at most a tenth of the time the server works for this page.
 * After a failure it waits twice as long each time, up to two minutes. Nothing is asked while the page is hidden; once it
 * is seen again, what is older than its turn is asked for at once.
 */

const LEAST_MS = 4_000;
const REST = 10;
const CALM_MS = 15_000;
const IDLE_MS = 60_000;
const MOST_MS = 120_000;

export class Poll {
  #timer = 0;
  #dueAt = 0;
  #turn = 0;
  #failures = 0;
  #same = 0;
  #last = "";

  /**
   * *load* gives the answer, *onAnswer* takes it and says whether something runs, *onTrouble* takes what went wrong;
   * *fastMs* is the pause while something runs.
   */
  constructor(load, onAnswer, onTrouble, fastMs = LEAST_MS) {
    Object.assign(this, { load, onAnswer, onTrouble, fastMs });
    this.answeredAt = 0;
    this.isAsking = false;
    this.isStopped = false;
    this.onVisibility = () => this.#wake();
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  /** When the next question is asked, in ms since the epoch; 0 if none will be. */
  get dueAt() {
    return this.#timer ? this.#dueAt : 0;
  }

  /** Ask now, whatever is under way: the newest question counts. */
  async now() {
    const turn = (this.#turn += 1);
    this.#clear();
    this.isAsking = true;
    const askedAt = Date.now();
    try {
      const answer = await this.load();
      if (turn === this.#turn && !this.isStopped) this.#take(answer, Date.now() - askedAt);
    } catch (trouble) {
      if (turn === this.#turn && !this.isStopped) this.#fail(trouble);
    } finally {
      if (turn === this.#turn) this.isAsking = false;
    }
  }

  /** Ask never again. */
  stop() {
    this.isStopped = true;
    this.#clear();
    document.removeEventListener("visibilitychange", this.onVisibility);
  }

  #take(answer, tookMs) {
    const { now, ...rest } = answer;
    const text = JSON.stringify(rest);
    this.#same = text === this.#last ? this.#same + 1 : 0;
    this.#last = text;
    this.#failures = 0;
    this.answeredAt = Date.now();
    const isActive = this.onAnswer(answer, this.#same === 0, Date.parse(now) || Date.now());
    const calmed = Math.min(CALM_MS, this.fastMs * 1.3 ** this.#same);
    this.#wait(Math.max(REST * tookMs, isActive ? calmed : IDLE_MS));
  }

  #fail(trouble) {
    this.#failures += 1;
    const delay = Math.min(MOST_MS, LEAST_MS * 2 ** (this.#failures - 1));
    if (!trouble.isFinal) this.#wait(delay * (0.8 + 0.4 * Math.random()));
    this.onTrouble(trouble);
  }

  #wait(delay) {
    this.#clear();
    this.#dueAt = Date.now() + delay;
    if (!document.hidden) this.#timer = setTimeout(() => this.now(), delay);
  }

  #wake() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (document.hidden || !this.#dueAt || this.isAsking) return;
    this.#timer = setTimeout(() => this.now(), Math.max(0, this.#dueAt - Date.now()));
  }

  #clear() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#dueAt = 0;
  }
}
