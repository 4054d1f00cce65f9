"""What a report says beside its rows: origin, approval, rehearsal, verification, evidence."""
