"""All faults by name, with what is promised for each."""

from __future__ import annotations

from tests.chaos import disk_faults, network_faults, process_faults, store_faults
from tests.chaos.rounds import Fault

NEXT = "the next run completes it"

FAULTS: dict[str, Fault] = {
    "kill client": Fault(process_faults.kill_client, NEXT, 3),
    "kill client of a local cluster": Fault(process_faults.kill_client_of_a_cluster, f"its workers end; {NEXT}"),
    "kill worker": Fault(process_faults.kill_worker, "the run goes on to its end", 2),
    "kill nanny": Fault(process_faults.kill_nanny, "the run goes on to its end"),
    "kill scheduler": Fault(process_faults.kill_scheduler, f"one line, exit 1; {NEXT}"),
    "stop worker": Fault(process_faults.stop_worker, "the run goes on to its end", 2),
    "stop client": Fault(process_faults.stop_client, "a second run is refused; the run goes on to its end"),
    "late workers": Fault(process_faults.start_late, "the run waits for them"),
    "jumping clock": Fault(process_faults.jump_clock, "nothing is noticed", 2),
    "jumping clock, killed": Fault(process_faults.jump_clock_and_die, f"the lock is recognised; {NEXT}"),
    "little memory": Fault(process_faults.run_out_of_memory, f"quarantine or an error, no wrong label; {NEXT}", 2),
    "full disk": Fault(disk_faults.fill_disk, f"one line, exit 1; {NEXT}", 2, disk_faults.no_mount),
    "read-only disk": Fault(disk_faults.turn_read_only, f"one line, exit 1; {NEXT}", 2, disk_faults.no_mount),
    "cut network": Fault(network_faults.cut_network, "the run goes on to its end", 2, network_faults.no_namespaces),
    "slow network": Fault(network_faults.delay_network, "the run goes on to its end", 1, network_faults.no_namespaces),
    "failing object store": Fault(
        store_faults.fail_store, f"the run gets along, or one line and exit 1; {NEXT}", 4, store_faults.no_store
    ),
}


def possible() -> dict[str, Fault]:
    """Return the faults that can be made on this machine."""
    return {name: fault for name, fault in FAULTS.items() if fault.missing() is None}
