//! Directories that hold much else.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::way::Way;

/// Those that are named here, with all above them. With `*`, whichever is right beneath, too.
const WIDE: &str = "/bin /boot /dev/shm /etc/kubernetes/pki /etc/pki/tls /etc/ssl /home/* /lib /lib64 /media /mnt \
    /nix/store /opt /root /run/lock /run/secrets /run/user/* /sbin /srv /tmp /usr/bin /usr/lib /usr/lib64 /usr/local/lib \
    /usr/local/share /usr/sbin /usr/share /var/cache /var/lib/kubelet/pki /var/log /var/run/secrets /var/spool /var/tmp";

/// A directory, and whether those right beneath it are meant, too.
type Wide = (PathBuf, bool);

/// As they are written, and where that leads: on many systems `/var/run` is a link, on some `/home`.
static ALL: LazyLock<Vec<Wide>> = LazyLock::new(|| {
    let written = WIDE.split_whitespace().map(|wide| match wide.strip_suffix("/*") {
        Some(above) => (PathBuf::from(above), true),
        None => (PathBuf::from(wide), false),
    });
    written.flat_map(|(wide, each)| [(Way::of(&wide).end, each), (wide, each)]).collect()
});

/// Whether this directory, told without links, holds much else.
pub(super) fn is_wide(dir: &Path) -> bool {
    let system = ["/proc", "/sys"].iter().any(|system| dir.starts_with(system));
    let named =
        |(wide, each): &Wide| wide.starts_with(dir) || (*each && dir.parent() == Some(wide));
    system || ALL.iter().any(named)
}
