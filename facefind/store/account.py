"""Which user runs the embedded server.

PostgreSQL refuses to run as root. For root the server runs as the owner of the home folder, or as
"nobody" where that is root itself. It must then pass through folders that only root may enter:
it is put into the groups that own them, and these groups get the right to pass (g+x). Nothing is
made readable, and nothing is opened to other users.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from facefind.errors import StoreError

NOBODY = "nobody"

_log = logging.getLogger(__name__)


class PopenIdentity(TypedDict, total=False):
    """The arguments of subprocess.Popen that choose a user."""

    user: int
    group: int
    extra_groups: tuple[int, ...]


@dataclass(frozen=True)
class Account:
    """A user that a process runs as, and the groups it is in."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def popen(self) -> PopenIdentity:
        """What makes a child process this user; nothing where it already is."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": self.groups}

    def give(self, path: Path) -> None:
        """Makes the account the owner of ``path``, which this process has just created."""
        if os.geteuid() != self.uid:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account(home: Path) -> Account:
    """The user that runs the server whose data is in ``home``, an existing folder.

    Raises:
        StoreError: This is root, and there is no user "nobody".
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    import pwd

    owner = home.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam(NOBODY)
    except KeyError as error:
        raise StoreError(
            "PostgreSQL does not run as root, and this machine has no user 'nobody' to run it.",
            "Run facefind as a plain user, or give a server with --database-url.",
        ) from error
    return Account(nobody.pw_uid, nobody.pw_gid)


def let_reach(account: Account, targets: Iterable[Path]) -> Account:
    """The account with the groups that let it pass through every folder above ``targets``.

    Does nothing for a plain user, whose own folders these are.

    Raises:
        StoreError: A folder's permissions cannot be changed.
    """
    if os.geteuid() == account.uid:
        return account
    above = {folder for target in targets for folder in target.resolve().parents}
    groups = set(account.groups)
    # A group that is added decides, instead of "others", at every folder it owns: so look again.
    while closed := [f for f in sorted(above) if not _may(f, account, groups, stat.S_IXOTH)]:
        for folder in closed:
            groups.add(folder.stat().st_gid)
            _allow(folder, account, stat.S_IXGRP)
    return replace(account, groups=tuple(sorted(groups)))


def let_use(account: Account, programs: Path) -> Account:
    """The account, able to run the PostgreSQL whose ``bin`` folder is ``programs``.

    Installed under a umask such as 077, PostgreSQL's files are root's alone. These are public
    files: their group gets the right to read them, and the account joins the group.
    """
    if os.geteuid() == account.uid or _readable(programs / "postgres", account):
        return let_reach(account, [programs / "postgres"])
    package = programs.parent.parent
    trees = [programs.parent, package.parent / f"{package.name}.libs"]
    for tree in trees:
        for path in [tree, *tree.rglob("*")]:
            if not path.is_symlink() and path.exists():
                _allow(path, account, stat.S_IRGRP | (path.stat().st_mode & stat.S_IXUSR) >> 3)
    joined = replace(account, groups=(*account.groups, programs.stat().st_gid))
    return let_reach(joined, [programs / "postgres"])


def _readable(program: Path, account: Account) -> bool:
    return _may(program, account, set(account.groups), stat.S_IROTH | stat.S_IXOTH)


def _may(path: Path, account: Account, groups: set[int], wanted: int) -> bool:
    """Whether the account has the rights ``wanted``, written as those of "others"."""
    found = path.stat()
    if found.st_uid == account.uid:
        wanted <<= 6
    elif found.st_gid == account.gid or found.st_gid in groups:
        wanted <<= 3
    return found.st_mode & wanted == wanted


def _allow(path: Path, account: Account, rights: int) -> None:
    """Adds the group's ``rights``; the owner's, where the account is itself the owner."""
    found = path.stat()
    if found.st_uid == account.uid:
        rights <<= 3
    mode = stat.S_IMODE(found.st_mode)
    if mode | rights == mode:
        return
    try:
        path.chmod(mode | rights)
    except OSError as error:
        raise StoreError(
            f"PostgreSQL runs as user {account.uid} and cannot get to {path}: {error.strerror}.",
            "Choose another folder with --home, or give a server with --database-url.",
        ) from error
    _log.info("%s: mode %04o is now %04o, for the database's user", path, mode, mode | rights)
