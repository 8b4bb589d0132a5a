//! Temporary pass-through.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) color: bool,
    pub(crate) hyperlinks: bool,
}
pub(crate) struct Markdown {
    open: bool,
    any: bool,
}
impl Markdown {
    pub(crate) fn new(_: Style) -> Self {
        Self { open: false, any: false }
    }
    pub(crate) fn push(&mut self, text: &str, _: usize) -> String {
        if !text.is_empty() {
            self.open = !text.ends_with('\n');
            self.any = true;
        }
        text.to_owned()
    }
    pub(crate) fn finish(&mut self, _: usize) -> String {
        if std::mem::take(&mut self.open) { "\n".into() } else { String::new() }
    }
    pub(crate) fn line_is_open(&self) -> bool {
        self.open
    }
}
