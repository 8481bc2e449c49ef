//! Where reports go: the target folder of the build that this program belongs to, wherever it was started.
//!
//! A test's working directory is its package's folder, and a path relative to that would litter the sources.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The build's target folder; for an installed program, that of the workspace in which it was started.
pub(super) fn folder() -> PathBuf {
    let exe = env::current_exe().unwrap_or_default();
    let here = env::current_dir().unwrap_or_default();
    of_program(&exe)
        .or_else(|| of_workspace(&here))
        .unwrap_or_else(|| here.join("target"))
}

/// Cargo marks a target folder that it makes. One that was there before, as in some CI, is told by what cargo keeps in it, or by the shape
/// of the path.
fn of_program(exe: &Path) -> Option<PathBuf> {
    let folders = || exe.ancestors().skip(1);
    let is_marked = |folder: &&Path| {
        [".rustc_info.json", "CACHEDIR.TAG"]
            .iter()
            .any(|mark| folder.join(mark).exists())
    };
    if let Some(marked) = folders().find(is_marked) {
        return Some(marked.to_owned());
    }
    // target/debug/deps/a_test-0123
    let deps = folders().find(|folder| folder.file_name().is_some_and(|name| name == "deps"))?;
    deps.parent()?.parent().map(Path::to_owned)
}

fn of_workspace(here: &Path) -> Option<PathBuf> {
    let root = here
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists())?;
    Some(root.join("target"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_runs_in_the_target_folder_of_its_build_and_not_in_its_package() {
        let folder = folder();
        assert!(
            folder.join(".rustc_info.json").exists() || folder.join("debug").exists(),
            "{}",
            folder.display()
        );
        assert_ne!(folder, Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    }

    #[test]
    fn a_target_folder_without_a_mark_is_told_by_its_shape() {
        assert_eq!(
            of_program(Path::new("/nowhere/out/debug/deps/a_test-0123")),
            Some("/nowhere/out".into())
        );
        assert_eq!(of_program(Path::new("/nowhere/bin/dormouse")), None);
    }

    #[test]
    fn an_installed_program_writes_below_the_workspace_in_which_it_was_started() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = package.parent().expect("the package lies in the workspace");
        assert_eq!(
            of_workspace(&package.join("src")),
            Some(root.join("target"))
        );
    }
}
