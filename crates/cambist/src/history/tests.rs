use cambist_core::clock::{Reading, UnixTime};
use cambist_key_age::{PublishedSet, Sighting, Source};
use cambist_sim::keys::KeySource;
use tempfile::TempDir;

use super::*;

fn place() -> (TempDir, HistoryFile) {
    let dir = TempDir::new().unwrap();
    let file = HistoryFile::new(dir.path().join("history.json"));
    (dir, file)
}

/// Adds one look at a set with the key number `key`.
fn look(file: &HistoryFile, key: usize, at: i64) -> Option<Damage> {
    let jwks = format!(r#"{{"keys":[{}]}}"#, KeySource::Pool.take(key).unwrap().jwk());
    let set = PublishedSet::parse(jwks.as_bytes()).unwrap();
    let seen = Sighting::of(Source::Public, Reading::alone(UnixTime::from_secs(at)), &set).unwrap();
    let update = file.update(|stored| {
        let damage = stored.as_ref().and_then(|stored| stored.damage.clone());
        let mut history = stored.map_or_else(|| History::new("https://i.test"), |s| s.history);
        history.observe(&seen).unwrap();
        (history, damage)
    });
    update.unwrap()
}

#[test]
fn what_is_written_is_read_and_the_generation_before_is_kept() {
    let (_dir, file) = place();
    assert_eq!(file.read().unwrap(), None);
    for at in 1..=3 {
        assert_eq!(look(&file, 1, at), None);
    }
    let stored = file.read().unwrap().unwrap();
    assert_eq!((stored.history.sequence(), stored.damage), (3, None));
    let backup = HistoryFile::new(file.beside(".bak")).read().unwrap().unwrap();
    assert_eq!(backup.history.sequence(), 2);
}

#[test]
fn a_file_cut_anywhere_is_noticed_and_costs_one_generation_at_most() {
    let (_dir, file) = place();
    look(&file, 1, 1);
    look(&file, 2, 2);
    let whole = std::fs::read(file.path()).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(file.path(), &whole[..cut]).unwrap();
        let stored = file.read().unwrap().unwrap();
        assert_eq!(stored.history.sequence(), 1, "cut at {cut}");
        assert!(matches!(stored.damage, Some(Damage::Torn(_))), "cut at {cut}");
    }
    // Writing on does not put the damaged file in the backup's place.
    assert!(matches!(look(&file, 2, 3), Some(Damage::Torn(_))));
    let stored = file.read().unwrap().unwrap();
    assert_eq!((stored.history.sequence(), stored.damage), (2, None));
}

#[test]
fn a_flipped_bit_is_noticed() {
    let (_dir, file) = place();
    look(&file, 1, 1);
    look(&file, 2, 2);
    let whole = std::fs::read(file.path()).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(file.path(), &flipped).unwrap();
        let stored = file.read().unwrap().unwrap();
        assert!(stored.damage.is_some() || stored.history.sequence() == 2, "byte {at}");
        assert!(matches!(stored.damage, Some(Damage::Torn(_))), "byte {at}");
    }
}

#[test]
fn wherever_a_writer_stops_what_was_known_is_still_known() {
    let (_dir, file) = place();
    look(&file, 1, 1);
    look(&file, 1, 2);
    let (own, backup) = (std::fs::read(file.path()).unwrap(), file.beside(".bak"));
    // Stopped while the next generation was being written, or before it was put in place.
    std::fs::write(file.beside(".new"), b"half").unwrap();
    std::fs::write(file.beside(".bak.new"), b"half").unwrap();
    assert_eq!(file.read().unwrap().unwrap().history.sequence(), 2);
    // Stopped between the two renames: both are the same generation.
    std::fs::write(&backup, &own).unwrap();
    assert_eq!(file.read().unwrap().unwrap().damage, None);
    look(&file, 1, 3);
    assert_eq!(file.read().unwrap().unwrap().history.sequence(), 3);
}

#[test]
fn an_old_copy_put_back_is_noticed_and_nothing_is_forgotten() {
    let (_dir, file) = place();
    look(&file, 1, 1);
    let old = std::fs::read(file.path()).unwrap();
    for at in 2..9 {
        look(&file, 2, at);
    }
    std::fs::write(file.path(), old).unwrap();
    let stored = file.read().unwrap().unwrap();
    assert_eq!(stored.damage, Some(Damage::RolledBack { expected: 7, found: 1 }));
    assert_eq!(stored.history.ever(Source::Public).len(), 2);
    std::fs::remove_file(file.path()).unwrap();
    assert_eq!(file.read().unwrap().unwrap().damage, Some(Damage::Missing));
}

#[test]
fn damage_beyond_repair_is_an_error_and_not_a_fresh_start() {
    let (_dir, file) = place();
    look(&file, 1, 1);
    look(&file, 1, 2);
    std::fs::write(file.path(), b"{").unwrap();
    std::fs::write(file.beside(".bak"), b"").unwrap();
    let told = || file.read().unwrap_err().to_string();
    assert!(told().contains("nor can its backup") && told().contains("Move both"), "{}", told());
    assert!(file.update(|_| (History::new("https://i.test"), ())).is_err());
    // Only what there is is spoken of.
    std::fs::remove_file(file.beside(".bak")).unwrap();
    assert!(told().contains("it has no backup") && told().contains("Move it away"), "{}", told());
    assert!(file.update(|_| (History::new("https://i.test"), ())).is_err());
    assert_eq!(std::fs::read(file.path()).unwrap(), b"{");
    std::fs::rename(file.path(), file.beside(".bak")).unwrap();
    assert!(told().contains("is gone, and its backup") && told().contains(".bak"), "{}", told());
    assert!(!file.set_aside().exists());
}

#[test]
fn the_bytes_of_a_damaged_file_are_kept_when_its_backup_takes_its_place() {
    let (_dir, file) = place();
    look(&file, 1, 1);
    look(&file, 1, 2);
    std::fs::write(file.path(), b"{ torn").unwrap();
    look(&file, 1, 3);
    assert_eq!(std::fs::read(file.set_aside()).unwrap(), b"{ torn");
    assert_eq!(file.read().unwrap().unwrap().damage, None);
}

#[test]
fn a_second_writer_waits_and_then_says_so() {
    let (_dir, mut file) = place();
    file.patience = Duration::from_millis(1);
    let lock = file.lock().unwrap();
    let busy = file.update(|_| (History::new("https://i.test"), ())).unwrap_err();
    assert!(matches!(busy, HistoryFileError::Busy { .. }), "{busy}");
    drop(lock);
    look(&file, 1, 1);
}

#[test]
fn writers_at_once_lose_nothing() {
    let (_dir, file) = place();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let file = file.clone();
            std::thread::spawn(move || (0..5).for_each(|n| drop(look(&file, 1, writer * 100 + n))))
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(file.read().unwrap().unwrap().history.sequence(), 20);
}
