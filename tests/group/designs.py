"""Made-up observations of participants for tests of designs."""

import numpy as np

from bids_deeptaskgen.group.design.observations import Cell, DesignRequest, Observation


def observations(
    n_participants: int = 40, *, sessions: tuple[str, ...] = (), **columns: list[Cell]
) -> list[Observation]:
    """Draw observations with age, sex, group, site and quality metrics; columns replace these."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(n_participants):
        traits: dict[str, Cell] = {
            "age": str(20 + number * 7 % 41),
            "sex": "MF"[number % 2],
            "group": "ABC"[number % 3],
            "site_id": "XY"[number // 2 % 2],
        }
        traits |= {name: values[number] for name, values in columns.items()}
        for session in sessions or (None,):
            metrics = {
                "fd_mean_mm": float(random.uniform(0.1, 0.3)),
                "minutes_kept": float(random.uniform(8, 10)),
                "tsnr_median": float(random.normal(50, 5)),
            }
            rows.append(Observation(f"{number:02d}", session, metrics | traits))
    return rows


def request(design: str | None = "age", *covariates: str, **choices: object) -> DesignRequest:
    """Build a request without covariates unless some are named."""
    return DesignRequest(design, covariates, covariates_are_default=False, n_processes=1, **choices)
