//! The durable spool: content, fate per recipient, schedule.
