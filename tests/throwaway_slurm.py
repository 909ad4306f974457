"""Start a throwaway Slurm cluster on this machine: real daemons, nodes of eight fake GPUs, removed afterwards.

    python tests/throwaway_slurm.py -- snakemake --profile slurm --configfile config/demo.yaml all
    python tests/throwaway_slurm.py --nodes 2 -- bash

The command runs with the cluster's `sbatch`, `squeue`, `scontrol`, … first on its PATH. A private directory holds the
cluster's key, sockets, logs and state. It needs no root. The daemons die with this process, however it ends. The GPUs
are links to /dev/null: Slurm assigns them to jobs, but no driver knows them.

With `--accounting`, slurmdbd and MariaDB run too, and `sacct` works.
"""

import argparse
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from r1k.child_process import die_with_parent

GPUS = 8
DAEMONS = ("munged", "slurmctld", "slurmd")
ACCOUNTING_DAEMONS = ("slurmdbd", "mariadbd", "mariadb-install-db", "mariadb")
CLIENTS = ("sbatch", "srun", "squeue", "sinfo", "scontrol", "scancel", "sacct", "sacctmgr")
SBIN = "/usr/sbin:/usr/local/sbin:/sbin"
START_TIMEOUT = 10
"""Seconds within which the daemons must start."""


def missing(accounting: bool = False) -> list[str]:
    """Return the programs that a throwaway cluster needs and that are not installed."""
    needed = (*DAEMONS, *CLIENTS, *(ACCOUNTING_DAEMONS if accounting else ()))
    return [name for name in needed if _which(name) is None]


class ThrowawaySlurm:
    """A cluster that runs during the `with` block."""

    def __init__(self, directory: Path, nodes: int = 4, accounting: bool = False) -> None:
        self.directory = directory.resolve()
        self.nodes = [f"gpu{number:02d}" for number in range(1, nodes + 1)]
        self._accounting = accounting
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ports = _free_ports(3 + nodes)
        self._host = socket.gethostname().split(".")[0]

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which a process uses this cluster."""
        path = f"{self.directory / 'bin'}{os.pathsep}{os.environ['PATH']}"
        database = str(self.directory / "run" / "mariadb.socket")
        return os.environ | {
            "SLURM_CONF": str(self.directory / "slurm.conf"),
            "PATH": path,
            "MYSQL_UNIX_PORT": database,  # slurmdbd connects to its database here
        }

    def __enter__(self) -> Self:
        for name in ("bin", "run", "state", "log", "dev", "database"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        try:
            self._write()
            self._start_munge()
            if self._accounting:
                self._start_accounting()
            self._start("slurmctld", "-D", "-f", self.directory / "slurm.conf")
            for node in self.nodes:
                self.start_node(node)
            self._wait("all nodes are idle", lambda: self._states() == {"idle"})
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(self, *command: str | Path, check: bool = True) -> str:
        """Run a command on the cluster and return its standard output."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr}")
        return done.stdout

    def start_node(self, node: str) -> None:
        """Start a node."""
        self._start(f"slurmd-{node}", "-D", "-N", node, "-f", self.directory / "slurm.conf", program="slurmd")

    def fail_node(self, node: str) -> None:
        """Fail a node as a power cut does: kill its daemon and its jobs' processes."""
        daemon = self._running.pop(f"slurmd-{node}")
        daemon.kill()
        daemon.wait()
        self._kill(lambda environment: f"SLURMD_NODENAME={node}" in environment)
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def stop(self) -> None:
        """Stop all daemons and kill processes that jobs left running."""
        for process in reversed(self._running.values()):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        self._kill(lambda environment: f"SLURM_CONF={self.directory / 'slurm.conf'}" in environment)

    def log(self, name: str) -> str:
        """Return a daemon's log."""
        return (self.directory / "log" / f"{name}.log").read_text(errors="replace")

    def _states(self) -> set[str]:
        return set(self.run("sinfo", "--noheader", "--Node", "--format=%T", check=False).split())

    def _kill(self, matches: Callable[[list[str]], bool]) -> None:
        """Kill the processes whose environment matches, except this process and its ancestors."""
        ancestors = _ancestors(os.getpid())
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in ancestors:
                continue
            try:
                environment = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
                if matches(environment):
                    os.kill(int(entry.name), signal.SIGKILL)
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue

    def _start(self, name: str, *arguments: str | Path, program: str | None = None) -> None:
        executable = _which(program or name)
        if executable is None:
            raise FileNotFoundError(f"{program or name} is not installed")
        with (self.directory / "log" / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                preexec_fn=die_with_parent,
            )

    def _wait(self, event: str, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not happened():
            dead = [name for name, process in self._running.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                name = dead[0] if dead else list(self._running)[-1]
                raise RuntimeError(f"timeout before {event}; the end of {name}.log:\n{self.log(name)[-3000:]}")
            time.sleep(0.1)

    def _start_munge(self) -> None:
        key = self.directory / "run" / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        private = {"socket": "munge.socket", "pid-file": "munged.pid", "seed-file": "munge.seed"}
        options = [f"--{option}={self.directory / 'run' / name}" for option, name in private.items()]
        self._start(
            "munged",
            *(
                "--foreground",
                "--force",
                f"--key-file={key}",
                f"--log-file={self.directory / 'log' / 'munge'}",
                *options,
            ),
        )
        self._wait("munge answers", (self.directory / "run" / "munge.socket").exists)

    def _start_accounting(self) -> None:
        database, run = self.directory / "database", self.directory / "run"
        install = [_which("mariadb-install-db"), "--no-defaults", f"--datadir={database}", "--skip-test-db"]
        subprocess.run(
            [*map(str, install), "--auth-root-authentication-method=normal"], check=True, capture_output=True
        )
        self._start(
            "mariadbd",
            *("--no-defaults", f"--datadir={database}", f"--socket={run / 'mariadb.socket'}", "--skip-networking"),
            *("--skip-grant-tables", "--innodb-buffer-pool-size=64M", f"--pid-file={run / 'mariadb.pid'}"),
            *(["--user=root"] if os.getuid() == 0 else []),
        )
        self._wait("the database answers", (run / "mariadb.socket").exists)
        configuration = self.directory / "slurmdbd.conf"
        configuration.write_text(
            f"AuthType=auth/munge\nAuthInfo=socket={run / 'munge.socket'}\nDbdHost={self._host}\nDbdAddr=127.0.0.1\n"
            f"DbdPort={self._ports[2]}\nSlurmUser={getpass.getuser()}\nPidFile={run / 'slurmdbd.pid'}\n"
            f"StorageType=accounting_storage/mysql\nStorageHost=localhost\nStorageUser=root\n"
        )
        configuration.chmod(0o600)
        self._start("slurmdbd", "-D")
        self._wait(
            "slurmdbd answers",
            lambda: "SlurmDBD configuration" in self.run("sacctmgr", "show", "configuration", check=False),
        )
        self.run("sacctmgr", "-i", "add", "cluster", "throwaway")
        self.run("sacctmgr", "-i", "add", "account", "research", "cluster=throwaway")
        self.run("sacctmgr", "-i", "add", "user", getpass.getuser(), "account=research")

    def _write(self) -> None:
        for client in CLIENTS:
            # Job steps of the Snakemake plugin drop SLURM_CONF, therefore each command sets it.
            script = self.directory / "bin" / client
            script.write_text(f'#!/bin/sh\nSLURM_CONF="{self.directory / "slurm.conf"}" exec {_which(client)} "$@"\n')
            script.chmod(0o755)
        for device in range(GPUS):
            (self.directory / "dev" / f"nvidia{device}").symlink_to("/dev/null")
        (self.directory / "gres.conf").write_text(
            f"AutoDetect=off\nNodeName={','.join(self.nodes)} Name=gpu Type=h200 "
            f"File={self.directory / 'dev'}/nvidia[0-{GPUS - 1}]\n"
        )
        (self.directory / "slurm.conf").write_text(self._slurm_conf())

    def _slurm_conf(self) -> str:
        private, user = self.directory, getpass.getuser()
        lines = [
            "ClusterName=throwaway",
            f"SlurmctldHost={self._host}(127.0.0.1)",
            f"SlurmctldPort={self._ports[0]}",
            f"SlurmdPort={self._ports[1]}",
            f"SlurmUser={user}",
            f"SlurmdUser={user}",
            "AuthType=auth/munge",
            "CryptoType=crypto/munge",
            # Without cred_expire a requeued job waits two minutes.
            f"AuthInfo=socket={private}/run/munge.socket,cred_expire=5",
            f"StateSaveLocation={private}/state",
            f"SlurmdSpoolDir={private}/spool.%n",
            f"SlurmctldPidFile={private}/run/slurmctld.pid",
            f"SlurmdPidFile={private}/run/slurmd.%n.pid",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "JobAcctGatherType=jobacct_gather/linux",
            "JobAcctGatherFrequency=task=1",
            "JobAcctGatherParams=OverMemoryKill",
            "SwitchType=switch/none",
            "MpiDefault=none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core_Memory",
            "GresTypes=gpu",
            "SchedulerType=sched/backfill",
            "SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2",
            "SlurmdParameters=config_overrides",
            "ReturnToService=2",
            "MinJobAge=86400",  # tests read the records of jobs that ended long before
            "KillWait=2",
            # Many jobs on few cores answer late; a node that fails is set down.
            "SlurmctldTimeout=60",
            "SlurmdTimeout=60",
            "InactiveLimit=0",
            "MessageTimeout=60",
            "JobRequeue=1",
            "PreemptType=preempt/partition_prio",
            "PreemptMode=REQUEUE",
            "PartitionName=gpu Nodes=ALL Default=YES MaxTime=1-00:00:00 DefaultTime=00:10:00 State=UP PriorityTier=1",
            "PartitionName=urgent Nodes=ALL MaxTime=1-00:00:00 DefaultTime=00:10:00 State=UP PriorityTier=9",
        ]
        if self._accounting:
            lines += [
                "AccountingStorageType=accounting_storage/slurmdbd",
                "AccountingStorageHost=127.0.0.1",
                f"AccountingStoragePort={self._ports[2]}",
                f"AccountingStoragePass={private}/run/munge.socket",
                "AccountingStorageTRES=gres/gpu",
            ]
        for node, port in zip(self.nodes, self._ports[3:], strict=True):
            lines.append(
                f"NodeName={node} NodeHostname={self._host} NodeAddr=127.0.0.1 Port={port} CPUs=64 Sockets=2 "
                f"CoresPerSocket=32 ThreadsPerCore=1 RealMemory=2000000 Gres=gpu:h200:{GPUS} State=UNKNOWN"
            )
        return "\n".join(lines) + "\n"


def _which(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join([os.environ["PATH"], SBIN]))


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _ancestors(process: int) -> set[int]:
    found: set[int] = set()
    while process > 0 and process not in found:
        found.add(process)
        status = Path(f"/proc/{process}/stat").read_text()
        process = int(status.rpartition(")")[2].split()[1])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command on a throwaway cluster and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=4, help="nodes of eight GPUs (default: %(default)s)")
    parser.add_argument("--accounting", action="store_true", help="with slurmdbd and MariaDB")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    not_installed = missing(options.accounting)
    if not_installed:
        print(
            f"not installed: {', '.join(not_installed)}; on Debian: apt-get install slurmctld slurmd slurm-client "
            "munge slurm-wlm-basic-plugins, and for accounting slurmdbd slurm-wlm-mysql-plugin mariadb-server",
            file=sys.stderr,
        )
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as directory,
        ThrowawaySlurm(Path(directory), options.nodes, options.accounting) as cluster,
    ):
        return subprocess.run(options.command, env=cluster.environment, preexec_fn=die_with_parent).returncode


if __name__ == "__main__":
    sys.exit(main())
