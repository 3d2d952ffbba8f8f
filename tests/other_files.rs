//! Files that a file leads to: which of them are opened.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{env, fs, path::Path, process::Command};

use h5::{ErrorKind, File, Policy, Reach};

const FOLDER: &str = "H5_OTHER_FILES_FOLDER";

fn one_value(path: &Path) -> File {
    let file = File::create(path).unwrap();
    file.root().unwrap().new_dataset::<u8>().with_data(&[42]).create("x").unwrap();
    file
}

/// That only what lies beside the file is reached.
fn check(file: &File, when: &str) {
    assert_eq!(file.dataset("beside").unwrap().read_vec::<u8>().unwrap(), [42], "{when}");
    for outside in ["above", "absolute", "above_data"] {
        let found = file.dataset(outside).and_then(|dataset| dataset.read_vec::<u8>());
        let denied = found.as_ref().is_err_and(|e| matches!(e.kind(), ErrorKind::Denied(_)));
        assert!(denied, "{outside}, {when}: {found:?}");
    }
}

/// In a process of its own, because the folder of a process is that of all its threads.
#[test]
fn a_file_stays_in_its_folder_when_the_process_leaves_it() {
    if let Some(folder) = env::var_os(FOLDER) {
        let folder = Path::new(&folder);
        env::set_current_dir(folder.join("inner")).unwrap();
        let beside = File::open("file.h5").unwrap();
        let below = File::options().policy(Policy::all(Reach::Below(".".into()))).open("file.h5").unwrap();
        for there in [folder, Path::new("/")] {
            env::set_current_dir(there).unwrap();
            check(&beside, "elsewhere");
            check(&below, "elsewhere, below");
        }
        let again = File::open(folder.join("inner/file.h5")).unwrap();
        fs::remove_file(folder.join("inner/file.h5")).unwrap();
        check(&again, "removed");
        check(&beside, "removed, elsewhere");
        return;
    }
    let folder = env::temp_dir().join(format!("h5-other-files-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("inner")).unwrap();
    one_value(&folder.join("secret.h5")).close().unwrap();
    one_value(&folder.join("inner/beside.h5")).close().unwrap();
    fs::write(folder.join("secret.raw"), [42]).unwrap();
    let anywhere = Policy::all(Reach::Anywhere);
    let file = File::create_options().policy(anywhere).create(folder.join("inner/file.h5")).unwrap();
    let root = file.root().unwrap();
    let secret = folder.join("secret.h5");
    for (name, target) in
        [("beside", "beside.h5"), ("above", "../secret.h5"), ("absolute", secret.to_str().unwrap())]
    {
        root.link_external(name, target, "/x").unwrap();
    }
    root.new_dataset::<u8>().shape([1]).external("../secret.raw", 0, 1).create("above_data").unwrap();
    file.close().unwrap();
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "a_file_stays_in_its_folder_when_the_process_leaves_it", "--nocapture"]);
    let output = child.env(FOLDER, &folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!folder.join("inner/file.h5").exists(), "the child did nothing");
    fs::remove_dir_all(&folder).unwrap();
}
