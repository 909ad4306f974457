"""Check the partitions and accounts that jobs request, before anything is submitted."""

import getpass
import subprocess
from collections.abc import Set

from r1k.errors import SiteError

REMEDY = "set it in profiles/slurm/config.yaml, under default-resources"


def check_site(partitions: Set[str], accounts: Set[str]) -> None:
    """Check that Slurm has every requested partition and account; an empty name means Slurm's default.

    Accounts are checked only on clusters with accounting.

    Raises:
        SiteError: A partition or account does not exist, or a default is requested and Slurm has none.
    """
    listed = _words("sinfo", "--noheader", "--format=%P")
    names = {name.rstrip("*") for name in listed}
    _check("slurm_partition", partitions, names, has_default=any(name.endswith("*") for name in listed))
    user = getpass.getuser()
    user_accounts = set(
        _words("sacctmgr", "--noheader", "--parsable2", "show", "assoc", f"user={user}", "format=account")
    )
    if user_accounts:
        default = _words("sacctmgr", "--noheader", "--parsable2", "show", "user", user, "format=defaultaccount")
        _check("slurm_account", accounts, user_accounts, has_default=any(default))


def _check(setting: str, requested: Set[str], known: Set[str], has_default: bool) -> None:
    choice = f"{', '.join(sorted(known)) or 'none'}; {REMEDY}"
    for name in sorted(requested):
        if name and name not in known:
            raise SiteError(f"{setting}: {name!r} does not exist on this cluster. You may use: {choice}")
        if not name and not has_default:
            raise SiteError(f"{setting} is not set, and this cluster has no default. You may use: {choice}")


def _words(*command: str) -> list[str]:
    """Return the words that a command prints; none if it fails, as sacctmgr does without accounting."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SiteError(f"{command[0]} is not on the PATH: run this on a login node of a Slurm cluster") from error
    if done.returncode and command[0] == "sinfo":
        raise SiteError(f"sinfo: {done.stderr.strip() or 'no answer'}; is the cluster up?")
    return done.stdout.split() if not done.returncode else []
