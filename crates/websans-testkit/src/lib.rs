//! What the tests of websans share.
