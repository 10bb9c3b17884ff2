"""Curves as pictures."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np

from assets.drawing import Picture, svg, thinned


def test_a_thinned_curve_keeps_its_extremes_in_order() -> None:
    values = np.random.default_rng(1).normal(size=100_000)
    values[[1_234, 98_765]] = (99.0, -99.0)
    times, kept = thinned(np.arange(len(values)), values, 150)
    assert len(kept) <= 300
    assert {99.0, -99.0} <= set(kept.tolist())
    assert (np.diff(times) > 0).all()
    assert np.array_equal(values[times], kept)


def test_a_short_curve_is_left_as_it_is() -> None:
    times, values = thinned(np.arange(5), np.arange(5.0), 150)
    assert (times.tolist(), values.tolist()) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])


def test_a_picture_lies_within_its_frame() -> None:
    root = ET.fromstring(svg(np.arange(10), np.array([3.0] * 9 + [9.0]), 8, 9))
    rectangle, line = root
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
    assert points[-1][1] < points[0][1]
    assert 0 < float(rectangle.attrib["x"]) < width


def test_a_curve_that_stands_still_can_be_drawn() -> None:
    ET.fromstring(svg(np.array([5]), np.array([1.0]), 5, 5))
    assert Picture("<svg/>", "probe").markdown == "probe\n\n![probe](data:image/svg+xml;base64,PHN2Zy8+)"
