"""The metrics by which detectors are judged: what they reward, and what they don't."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bench import anomaly_report, nab, nab_file
from bench.anomaly_speed import Peer
from bench.days_in_depth import days_in_depth
from bench.labelled import Ranked
from bench.nab import PROFILES
from bench.series_pictures import groups
from bench.vus import usual_window, vus_pr

LABELS = np.zeros(1000)
LABELS[400:450] = 1


def test_scores_that_are_high_exactly_where_labelled_are_nearly_perfect() -> None:
    assert vus_pr(LABELS, LABELS + 0.0, 20) > 0.9


def test_scores_that_say_nothing_are_worth_the_share_of_anomalies() -> None:
    scores = np.random.default_rng(1).random(1000)
    assert vus_pr(LABELS, scores, 20) == pytest.approx(0.06, abs=0.03)


def test_one_point_of_a_stretch_is_not_all_of_it() -> None:
    """Point adjustment would call this perfect."""
    scores = np.random.default_rng(1).random(1000)
    scores[420] = 2.0
    assert vus_pr(LABELS, scores, 20) < 0.2


def test_a_detection_a_little_beside_the_label_counts_in_part() -> None:
    beside, far = np.zeros(1000), np.zeros(1000)
    beside[385:400], far[100:115] = 1, 1
    assert vus_pr(LABELS, far, 20) < vus_pr(LABELS, beside, 20) < vus_pr(LABELS, LABELS + 0.0, 20)


def test_the_window_is_the_period() -> None:
    assert usual_window(np.sin(2 * np.pi * np.arange(2000) / 48)) == 48
    assert usual_window(np.zeros(100)) == 125


def test_days_are_judged_by_their_past_and_held_against_the_labels() -> None:
    at = np.arange(10 * 288)
    values = 20 + 3 * np.sin(2 * np.pi * at / 288) + np.random.default_rng(2).normal(0, 0.3, len(at))
    values[2_000], values[2_500] = 60, 60
    window = np.where(abs(at - 2_000) < 20, 7, -1)
    series = nab.Series("a/b.csv", at * 300_000_000, values, window, np.zeros(len(at)), np.ones(len(at), bool))
    found = days_in_depth([series], 0.01)
    assert (found.judged, found.not_judged, found.windows, found.met, found.false) == (8, 2, 1, 1, 1)


@pytest.fixture
def recorded(tmp_path: Path) -> nab_file.Nab:
    """Two recordings of a thousand readings; the first has a window from 600 to 699."""
    stamps = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 1, 4, 11, 15), "5m", eager=True)
    for name in ("a.csv", "b.csv"):
        (tmp_path / "data").mkdir(exist_ok=True)
        table = pl.DataFrame({"timestamp": stamps.dt.strftime("%Y-%m-%d %H:%M:%S"), "value": np.arange(1000) % 7})
        table.write_csv(tmp_path / "data" / name)
    (tmp_path / "labels").mkdir()
    window = [stamps[at].strftime("%Y-%m-%d %H:%M:%S.000000") for at in (600, 699)]
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps({"a.csv": [window], "b.csv": []}))
    (tmp_path / "published_final_results.json").write_text(json.dumps({"other": {"standard": 50.0}}))
    return nab_file.read(tmp_path)


@pytest.fixture
def corpus(recorded: nab_file.Nab) -> list[nab.Series]:
    return nab.corpus(recorded.recordings)


def alarms(*at: int, other: tuple[int, ...] = ()) -> list[np.ndarray]:
    told = [np.zeros(1000), np.zeros(1000)]
    told[0][list(at)], told[1][list(other)] = 1.0, 1.0
    return told


@pytest.mark.parametrize("profile", PROFILES)
def test_an_alarm_at_the_windows_start_and_none_elsewhere_is_a_hundred(corpus: list[nab.Series], profile: str) -> None:
    found, threshold = nab.scores(corpus, alarms(600))[profile]
    assert found == pytest.approx(100)
    assert threshold == 1.0
    assert nab.score_at(corpus, alarms(600), PROFILES[profile], 0.5) == pytest.approx(100)


def test_early_alarms_are_worth_more_and_false_ones_cost(corpus: list[nab.Series]) -> None:
    standard = PROFILES["standard"]
    early, late, false = (
        nab.score_at(corpus, told, standard, 0.5) for told in (alarms(600), alarms(690), alarms(600, other=(500,)))
    )
    assert early > late > 50
    assert early - false == pytest.approx(100 * 0.11 / 2)


def test_nothing_told_is_zero_and_the_probation_is_not_asked_about(corpus: list[nab.Series]) -> None:
    standard = PROFILES["standard"]
    assert nab.score_at(corpus, alarms(), standard, 0.5) == 0
    assert nab.score_at(corpus, alarms(600, other=(10, 149)), standard, 0.5) == pytest.approx(100)


def test_a_packed_checkout_is_read_back_as_it_was(recorded: nab_file.Nab, tmp_path: Path) -> None:
    nab_file.pack(recorded, tmp_path / "packed")
    back = nab_file.read(tmp_path / "packed")
    assert back.published == recorded.published == {"other": {"standard": 50.0}}
    for one, again in zip(recorded.recordings, back.recordings, strict=True):
        assert (again.name, again.windows) == (one.name, one.windows)
        assert np.array_equal(again.times, one.times)
        assert np.array_equal(again.values, one.values)


def test_the_corpus_that_comes_along_is_the_whole_of_it() -> None:
    known = nab_file.read(nab_file.PACKED)
    corpus = nab.corpus(known.recordings)
    assert sum(len(one.times) for one in corpus) == 365_558
    assert len({window for one in corpus for window in one.window}) == 116 + 1
    assert known.published["htmjava"]["standard"] == pytest.approx(65.55, abs=0.01)
    assert (nab_file.PACKED.parent / "NAB-LICENSE.txt").exists()


def test_a_peers_row_tells_how_many_times_as_fast_ours_is() -> None:
    text = anomaly_report.speeds(2e6, 2e7, 10, [Peer("slow", 1000, 50.0, "batch", 4000.0)])
    assert "| slow | 1,000 | 50 | batch | 4,000 | 80 |" in text


def test_the_pictures_are_of_the_ten_best_and_the_ten_worst_in_order() -> None:
    nothing = np.zeros(3)
    mixed = np.random.default_rng(1).permutation(27)
    ranked = [Ranked(str(at), "", nothing, nothing > 0, nothing, 0, at / 27, 0.0, "") for at in mixed]
    best, worst = groups(ranked).values()
    assert [one.name for one in best] == [str(at) for at in range(26, 16, -1)]
    assert [one.name for one in worst] == [str(at) for at in range(9, -1, -1)]
