//! libwharf.
