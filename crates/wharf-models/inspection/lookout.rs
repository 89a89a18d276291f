
/// What the models ask.
impl<T> Lookout<T> {
    /// Whether that thread waits.
    pub fn waits(&self, id: u64) -> bool {
        let mut all = self.keeper.iter().chain(&self.others);
        all.any(|(other, _)| *other == id)
    }
}
