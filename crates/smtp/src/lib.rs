//! The SMTP and LMTP protocol engine, server and client, sans-IO.
