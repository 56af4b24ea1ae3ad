//! [`Recipe`]: a file of `deploy/`, with what has to differ in a test replaced.

use std::path::Path;

use crate::failure::{Doing, Result, fail};
use crate::workspace::Workspace;

/// The text of a configuration.
pub(crate) struct Recipe {
    name: String,
    text: String,
}

impl Recipe {
    /// Reads `deploy/NAME`.
    pub(crate) fn read(workspace: &Workspace, name: &str) -> Result<Self> {
        let path = workspace.path("deploy").join(name);
        let text = std::fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
        Ok(Self { name: name.into(), text })
    }

    /// Replaces every `from`, of which there must be one: a recipe that has changed must not leave a check to look at
    /// something else than it says.
    pub(crate) fn replace(mut self, from: &str, to: impl AsRef<str>) -> Result<Self> {
        if !self.text.contains(from) {
            fail!("there is no `{from}` in deploy/{}", self.name);
        }
        self.text = self.text.replace(from, to.as_ref());
        Ok(self)
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    pub(crate) fn write(&self, to: &Path) -> Result {
        std::fs::write(to, &self.text).doing(|| format!("cannot write {}", to.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_replaced() {
        let recipe = Recipe { name: "a.conf".into(), text: "listen 80; listen 80;".into() };
        let recipe = recipe.replace("listen 80;", "listen 8080;").unwrap();
        assert_eq!(recipe.text, "listen 8080; listen 8080;");
        let failure = recipe.replace("listen 80;", "").err().unwrap().to_string();
        assert_eq!(failure, "there is no `listen 80;` in deploy/a.conf");
    }

    /// What people read is what is tested.
    #[test]
    fn the_guide_shows_the_recipes() {
        let workspace = Workspace::locate().unwrap();
        let guide = workspace.path("crates/websans-tower/src/guide/deployment.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let names = [
            "nginx.conf",
            "haproxy.cfg",
            "several-apps.nginx.conf",
            "socket-io/nginx.conf",
            "websans.socket",
            "websans.service",
        ];
        let blocks: Vec<&str> = guide.split("```").skip(1).step_by(2).collect();
        assert_eq!(blocks.len(), names.len());
        for (block, name) in blocks.into_iter().zip(names) {
            let (_language, shown) = block.split_once('\n').unwrap();
            let recipe = Recipe::read(&workspace, name).unwrap();
            assert!(recipe.contains(shown), "the guide shows something else than deploy/{name}:\n{shown}");
        }
    }
}
