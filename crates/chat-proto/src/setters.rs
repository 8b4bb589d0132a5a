//! Setters for settings.

/// Defines setters that take a value and return the settings with it.
macro_rules! setters {
    ($($(#[$meta:meta])* $setter:ident($field:ident: $type:ty);)+) => {$(
        $(#[$meta])*
        #[must_use]
        pub fn $setter(mut self, $field: $type) -> Self {
            self.$field = $field.into();
            self
        }
    )+};
}
pub(crate) use setters;
