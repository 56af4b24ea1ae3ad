//! What to know about what lies between a server and its clients.

pub mod deployment {
    #![doc = include_str!("deployment.md")]
}

pub mod disconnects {
    #![doc = include_str!("disconnects.md")]
}

pub mod choosing {
    #![doc = include_str!("choosing.md")]
}
