//! What an operator can do, as values plus one executor.
