"""The names that jobs ask a cluster for, checked against what it has before anything is submitted."""

import getpass
import subprocess
from collections.abc import Set

from r1k.errors import SiteError

WHERE = "set it in profiles/slurm/config.yaml, under default-resources"


def check_site(partitions: Set[str], accounts: Set[str]) -> None:
    """SiteError where a job asks for a partition or account that is not there, or for none where Slurm has no default.

    An empty name stands for Slurm's default. Accounts are checked where the cluster keeps accounts.
    """
    known = _answer("sinfo", "--noheader", "--format=%P")
    names = {name.rstrip("*") for name in known}
    _check("slurm_partition", partitions, names, has_default=any(name.endswith("*") for name in known))
    user = getpass.getuser()
    own = set(_answer("sacctmgr", "--noheader", "--parsable2", "show", "assoc", f"user={user}", "format=account"))
    if own:
        default = _answer("sacctmgr", "--noheader", "--parsable2", "show", "user", user, "format=defaultaccount")
        _check("slurm_account", accounts, own, has_default=any(default))


def _check(setting: str, asked: Set[str], known: Set[str], has_default: bool) -> None:
    choice = f"{', '.join(sorted(known)) or 'none'}; {WHERE}"
    for name in sorted(asked):
        if name and name not in known:
            raise SiteError(f"{setting}: this cluster knows no {name!r}. You may use: {choice}")
        if not name and not has_default:
            raise SiteError(f"{setting} is not set, and this cluster has no default for it. You may use: {choice}")


def _answer(*command: str) -> list[str]:
    """The lines of a command's output; none where it cannot answer, as sacctmgr cannot without accounting."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SiteError(f"{command[0]} is not on the PATH: run this on a login node of a Slurm cluster") from error
    if done.returncode and command[0] == "sinfo":
        raise SiteError(f"sinfo: {done.stderr.strip() or 'no answer'}; is the cluster up?")
    return done.stdout.split() if not done.returncode else []
