//! The agents: listen, reception, intake, local delivery.
