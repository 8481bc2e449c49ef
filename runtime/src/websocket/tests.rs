//! (Empty until the module compiles.)
