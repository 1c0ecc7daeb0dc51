//! What happened, as data: sessions, dialogues, verdicts, attempts.
