from pathlib import Path

import numpy as np

from components.publishing.warmup import largest_warmup_request, write_warmup


def test_the_largest_request_is_found_again(tmp_path: Path) -> None:
    write_warmup(tmp_path, "m", np.zeros((2, 4, 4, 3), np.uint8), (1, 16, 8))
    assert largest_warmup_request(str(tmp_path)) == 16


def test_without_a_warm_up_any_server_will_do(tmp_path: Path) -> None:
    assert largest_warmup_request(str(tmp_path)) == 1
