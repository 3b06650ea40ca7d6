//! Every finding against every state.
