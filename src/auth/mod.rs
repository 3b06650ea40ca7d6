//! Who asks. Knows no HTTP framework.

/// Who asks for a signature, a download or a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular: callers are not told apart (`AUTH=none`), and each may reach every asset of the cloud.
    Anonymous,
}
