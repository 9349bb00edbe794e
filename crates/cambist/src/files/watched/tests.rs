use std::fs;

use super::*;
use crate::testing::{Changes, Volume};

const CA: &str = "ca CA_FILE";

/// A watched file of which all is taken up that begins with "good"; and what was taken up.
struct Bench {
    watched: Watched,
    changes: Arc<Changes>,
    taken: Arc<Mutex<Vec<String>>>,
}

fn watch(path: &Path, in_use: Option<&str>) -> Bench {
    watch_file(File::new(FileKind::Ca, "CA_FILE", path, 100), in_use)
}

fn watch_file(file: File<'_>, in_use: Option<&str>) -> Bench {
    let (changes, taken) = (Arc::<Changes>::default(), Arc::<Mutex<Vec<String>>>::default());
    let keep = taken.clone();
    let watched = Watched::new(file, in_use.map(str::as_bytes), changes.clone(), move |read| {
        let text = String::from_utf8(read.map_err(|fault| fault.to_string())?.to_vec()).unwrap();
        if !text.starts_with("good") {
            return Err(format!("found {text:?}"));
        }
        keep.lock().unwrap().push(text);
        Ok(())
    });
    Bench { watched, changes, taken }
}

impl Bench {
    async fn look(&self) -> Look {
        self.watched.look().await
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }

    /// Holds that nothing comes of any more looks.
    async fn is_quiet(&self) {
        for _ in 0..3 {
            assert_eq!(self.look().await, Look::Settled);
        }
        assert_eq!((self.taken(), self.changes.take()), (Vec::new(), Vec::new()));
    }

    /// Holds that this is taken up by the second look, and told once.
    async fn takes(&self, content: &str) {
        assert_eq!(self.look().await, Look::Settling);
        assert_eq!((self.taken(), self.changes.take()), (Vec::new(), Vec::new()));
        assert_eq!(self.look().await, Look::Settled);
        assert_eq!((self.taken(), self.changes.one(CA)), (vec![content.to_owned()], Ok(())));
        self.is_quiet().await;
    }

    /// Holds that it is refused by the second look, and told once.
    async fn refuses(&self, words: &str) {
        assert_eq!(self.look().await, Look::Settling);
        assert_eq!(self.look().await, Look::Settled);
        let problem = self.changes.one(CA).unwrap_err();
        assert!(problem.contains(words), "{problem}");
        self.is_quiet().await;
    }
}

#[tokio::test]
async fn what_the_kubelet_swings_a_link_to_is_taken_up() {
    let volume = Volume::new(&[("ca", "good 1")]);
    let bench = watch(&volume.path("ca"), Some("good 1"));
    bench.is_quiet().await;
    volume.publish(&[("ca", "good 2")]);
    bench.takes("good 2").await;
    // Another directory with the same in it is no change.
    volume.publish(&[("ca", "good 2")]);
    bench.is_quiet().await;
}

#[tokio::test]
async fn what_is_written_in_place_is_taken_up_whatever_its_times() {
    let volume = Volume::new(&[("ca", "good 1")]);
    let path = volume.path("ca");
    let bench = watch(&path, Some("good 1"));
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "good 2").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    bench.takes("good 2").await;
    let later = modified + std::time::Duration::from_secs(60);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    bench.is_quiet().await;
}

#[tokio::test]
async fn what_is_half_written_is_waited_for() {
    let volume = Volume::new(&[("ca", "good 1")]);
    let bench = watch(&volume.path("ca"), Some("good 1"));
    // Each of them could be used, and one as well could not.
    for half in ["good", "", "good 2", "goo"] {
        fs::write(volume.path("ca"), half).unwrap();
        assert_eq!(bench.look().await, Look::Settling);
    }
    fs::write(volume.path("ca"), "good 2, all of it").unwrap();
    bench.takes("good 2, all of it").await;
    // Nor is anything told of what was different for one look.
    fs::write(volume.path("ca"), "bad").unwrap();
    assert_eq!(bench.look().await, Look::Settling);
    fs::write(volume.path("ca"), "good 2, all of it").unwrap();
    bench.is_quiet().await;
}

#[tokio::test]
async fn what_is_gone_or_bad_is_told_once_and_so_is_its_end() {
    let volume = Volume::new(&[("ca", "good 1")]);
    let path = volume.path("ca");
    let bench = watch(&path, Some("good 1"));
    fs::remove_file(&path).unwrap();
    bench.refuses("does not exist").await;
    fs::write(&path, "bad").unwrap();
    bench.refuses("found \"bad\"").await;
    // What was refused before is told again: it is news.
    fs::write(&path, "x".repeat(101)).unwrap();
    bench.refuses("100 at most").await;
    fs::write(&path, "bad").unwrap();
    bench.refuses("found \"bad\"").await;
    // What was in use before is whole.
    fs::write(&path, "good 1").unwrap();
    assert_eq!(bench.look().await, Look::Settled);
    assert_eq!((bench.taken(), bench.changes.one(CA)), (vec!["good 1".to_owned()], Ok(())));
    bench.is_quiet().await;
    fs::write(&path, "good 2").unwrap();
    bench.takes("good 2").await;
}

#[tokio::test]
async fn where_nothing_is_in_use_the_first_look_takes_up_and_is_not_told() {
    let volume = Volume::new(&[("ca", "good 1")]);
    let bench = watch(&volume.path("ca"), None);
    assert_eq!(bench.look().await, Look::Settled);
    assert_eq!((bench.taken(), bench.changes.take()), (vec!["good 1".to_owned()], Vec::new()));
    bench.is_quiet().await;

    let bench = watch(&volume.path("late"), None);
    bench.is_quiet().await;
    fs::write(volume.path("late"), "good 2").unwrap();
    bench.takes("good 2").await;
}

#[tokio::test]
async fn two_that_belong_together_are_taken_up_as_one() {
    let volume = Volume::new(&[("cert", "good 1"), ("key", "key 1")]);
    let (cert, key) = (volume.path("cert"), volume.path("key"));
    let file = File::new(FileKind::Ca, "CA_FILE", &cert, 100).with(&key);
    let bench = watch_file(file, Some("good 1\nkey 1"));
    bench.is_quiet().await;
    volume.publish(&[("cert", "good 2"), ("key", "key 2")]);
    bench.takes("good 2\nkey 2").await;
    fs::write(&key, "key 3").unwrap();
    bench.takes("good 2\nkey 3").await;
    // One without the other is of no use.
    fs::remove_file(&key).unwrap();
    bench.refuses("does not exist").await;
    fs::write(&key, "x".repeat(101)).unwrap();
    bench.refuses("100 at most").await;
    fs::write(&key, "key 4").unwrap();
    bench.takes("good 2\nkey 4").await;
}
