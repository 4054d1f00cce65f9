/** What the codes of failures mean to the person on call, and what helps. */

const DENIED = "The credentials may not do this: look at the role's policy, the bucket's policy, the KMS key's and Object Lock.";
const GONE = "The object has vanished since the manifest was made. Nothing is left to do for it.";
const CHANGED = "The object has changed since the manifest was made, and was left alone. A newer inventory selects it as it is now.";
const ARCHIVED = "The object is archived: restore it first, then run these again.";
const BUSY = "The store kept asking to slow down. Set a lower max_requests_per_s, then run these again.";
const TROUBLE = "The store, or the way to it, kept failing. Run these again once it is well.";

const MEANINGS = {
  AccessDenied: DENIED,
  AllAccessDisabled: DENIED,
  "KMS.AccessDeniedException": DENIED,
  NoSuchKey: GONE,
  NoSuchVersion: GONE,
  NoSuchBucket: "The bucket does not exist, or its name in the manifest is wrong.",
  PreconditionFailed: CHANGED,
  TargetExists: "Something stands where it was to be moved, and both were left alone: run these again once it is gone.",
  InvalidObjectState: ARCHIVED,
  ObjectNotInActiveTierError: ARCHIVED,
  RestoreAlreadyInProgress: "The object is being restored already. S3RestoreSensor waits until it can be read.",
  SlowDown: BUSY,
  ThrottlingException: BUSY,
  TooManyRequests: BUSY,
  RequestLimitExceeded: BUSY,
  ServiceUnavailable: BUSY,
  InternalError: TROUBLE,
  RequestTimeout: TROUBLE,
  ConditionalRequestConflict: TROUBLE,
  NotAttempted: "The job ended before these were reached. Clear the task: only what is not done yet is run.",
  OutcomeUnknown: "A task was lost while these were under way, and doing them twice is not safe. Look at them before you run them again.",
  DryRun: "This would be done. Nothing was changed: it was a dry run.",
  InvalidTag: "The store does not take these tags: S3 has limits on number, length and characters.",
  InvalidRequest: "The store does not take the request as it is: the message in the task's log says why.",
  InvalidArgument: "The operation can't take the values of this row: look at the columns.",
  BadRequest: "The object, as it is, does not allow it: the report says why.",
  InvalidResponse: "The store's answer could not be understood, and nothing was changed: the report has it.",
  NotCurrentVersion: "A noncurrent version can't be rewritten in place: leave it out of the selection.",
  MethodNotAllowed: "The store does not allow this on the object: most often it is a delete marker.",
  EntityTooLarge: "The object is larger than this operation can take.",
  InvalidAccessKeyId: "The credentials are unknown to the store: look at the Airflow connection.",
  ExpiredToken: "The credentials expired while the job ran: run these again with fresh ones.",
  RequestTimeTooSkewed: "The worker's clock differs too much from the store's: set it right.",
  QuotaExceeded: "The store's quota is used up: make room, then run these again.",
  KeyTooLongError: "The new key is longer than 1,024 bytes.",
};

/** Return what *code* means, or nothing if it does not speak for itself. */
export function meaning(code) {
  return MEANINGS[code] ?? "";
}
