//! Who is local: accounts and aliases in SQLite.
