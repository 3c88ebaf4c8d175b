"""Image files that are none: set aside while they are few, else the reason to refuse the version.

They may be a share of all images of the dataset: the one that dataset.json says (`bad_rows`), else
two in a hundred, and always one. That is more than of rows: a file of a folder is broken by itself,
where a broken row is a sign of how all were written; and the training job leaves out more than that
of images which only look like some. A loose image that is set aside does not come to the training
job; of a zip it skips those that version.json says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from chalicelib.datasets.preflight.badrows import SHOWN, SetAside, most_of, note, percent
from chalicelib.datasets.preflight.folders import Spot, spot_of
from chalicelib.datasets.preflight.heads import NotImages
from chalicelib.datasets.preflight.images import Images, ZippedImages
from chalicelib.datasets.preflight.problem import Problem
from chalicelib.datasets.settings.settings_file import SETTINGS_FILE, DatasetSettings
from chalicelib.names import role_of

SHARE = 0.02  # of the images, where dataset.json says nothing; at least one

Bad = tuple[str, str, Spot]  # name, what it is, where it belongs


def set_aside_images(
    images: Images, loose: NotImages, zipped: Mapping[str, NotImages], settings: DatasetSettings
) -> SetAside:
    """Take what is no image out of `images`: of the `loose` ones, and of each zip's by its path."""
    what = dict(loose)
    bad = [(one.path, what[one.path], one.spot) for one in images.loose if one.path in what]
    for archive in images.zips:
        bad += _in_zip(archive, zipped.get(archive.found.name, ()))
    found = SetAside()
    if not bad:
        return found
    total = sum(images.found.total(role) for role in images.found.counts)
    share = SHARE if settings.bad_rows is None else settings.bad_rows
    most = most_of(total, share)
    if len(bad) > (max(1, most) if settings.bad_rows is None else most):
        found.problems.extend(_too_many(bad, total, share))
        return found
    found.problems.extend(_uncounted(images, bad))
    found.rows.extend(Problem(name, reason) for name, reason, _ in bad)
    found.notes.append(note(found.rows, total, "image"))
    images.loose = [one for one in images.loose if one.path not in what]
    images.zips = [
        replace(archive, left_out=tuple(path for path, _ in zipped.get(archive.found.name, ())))
        for archive in images.zips
    ]
    return found


def _in_zip(archive: ZippedImages, bad: NotImages) -> Iterable[Bad]:
    role = role_of(archive.found.name)
    for path, what in bad:
        if (spot := spot_of(path, role)) is not None:
            yield f"{archive.found.name}/{path}", what, spot


def _too_many(bad: Sequence[Bad], total: int, share: float) -> Iterable[Problem]:
    """The first, with how many there are; then the next."""
    name, what, _ = bad[0]
    yield Problem(
        name,
        f"{what}; {len(bad):,} of {total:,} images are none ({percent(len(bad) / total)}; "
        f"{percent(share)} may be set aside: bad_rows in {SETTINGS_FILE}). Put images in their "
        "place, or take them out",
    )
    for name, what, _ in bad[1:SHOWN]:
        yield Problem(name, what)


def _uncounted(images: Images, bad: Sequence[Bad]) -> Iterable[Problem]:
    """Count them no more; classes that nothing is left of."""
    for name, _, spot in bad:
        counts = images.found.counts[spot.role]
        counts[spot.label] -= 1
        if not counts[spot.label]:
            del counts[spot.label]
            if spot.role == "train":
                yield Problem(
                    name,
                    f"no file of class {spot.label!r} is an image: set aside, the class would "
                    "vanish",
                )
