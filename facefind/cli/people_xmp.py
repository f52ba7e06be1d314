"""facefind people export xmp, import xmp"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facefind.cli.context import EXIT_FAILED, App, facefind_command, global_options
from facefind.cli.output import plural, print_json, printable, progress, shown
from facefind.cli.params import EXISTING, FILE, event_option
from facefind.cli.people_params import chosen_events

if TYPE_CHECKING:
    from facefind.people.drafting import Conflict, NamedFaces
    from facefind.store.records import Person
    from facefind.store.repository import Repository
    from facefind.xmp.exporting import ExportReport
    from facefind.xmp.people import FoundNames, Problem

_SHOWN = 10
"""Lines of a kind; --json has all."""


@click.group(name="export")
@global_options
def export_command() -> None:
    """Write names and faces for other photo programs."""


@click.group(name="import")
@global_options
def import_command() -> None:
    """Read the names that other photo programs gave to faces."""


@facefind_command(export_command, "xmp")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path), metavar="OUT")
@click.option(
    "--in-file", is_flag=True, help="Copies of the photos that hold the names, by exiftool."
)
@event_option
@click.option(
    "--only", "chosen", multiple=True, metavar="WHO", help="Only this person. Repeatable."
)
def export_xmp(
    app: App, out: Path, in_file: bool, event: str | None, chosen: tuple[str, ...]
) -> int:
    """Write who is where in the photos as XMP, into the folder OUT.

    Each photo that shows somebody with a name gets a sidecar, IMG.JPG.xmp, in the same folders as
    the photos have below the one that all of them share. digiKam, darktable and Immich look for
    these beside the photos. Lightroom reads names only from the files themselves: --in-file writes
    copies of the photos.

    The photos are never changed. Hidden people are left out unless --only names them. A sidecar of
    another program is kept, and the names are added to it.
    """
    from facefind.xmp.exporting import export, shared_folder
    from facefind.xmp.people import photos_of

    with app.store() as store:
        events = chosen_events(store, event)
        people = _named(store, chosen)
        photos, problems = photos_of(store, people, [one.id for one in events])
        known = [photo.path for one in events for photo in store.event_photos(one.id)]
    report = export(photos, out, in_file=in_file, root=shared_folder(known))
    refused = [*problems, *report.refused]
    if app.json:
        print_json({
            "out": str(out),
            "written": [str(path) for path in report.written],
            "merged": [str(path) for path in report.merged],
            "refused": [{"path": str(path), "reason": reason} for path, reason in refused],
        })  # fmt: skip
    else:
        _tell_problems("Left out", refused)
        if not app.quiet:
            _tell_export(report, people, out, in_file=in_file)
    return EXIT_FAILED if refused or not photos else 0


def _named(store: Repository, chosen: Sequence[str]) -> list[Person]:
    """The people asked for, or all who have a name and are not hidden."""
    from facefind.people import find_person

    if chosen:
        found = {person.id: person for person in (find_person(store, one) for one in chosen)}
        return list(found.values())
    return [person for person in store.people() if person.name and not person.hidden]


def _tell_export(
    report: ExportReport, people: Sequence[Person], out: Path, *, in_file: bool
) -> None:
    if not people:
        click.echo("Nobody has a name yet: facefind people name", err=True)
        return
    noun = "copy with names" if in_file else "sidecar"
    count = len(report.written) + len(report.merged)
    many = f"{count} copies with names" if in_file and count != 1 else plural(count, noun)
    merged = f", {len(report.merged)} added to another program's" if report.merged else ""
    click.echo(f"{many} in {shown(out)}{merged}.")


@facefind_command(import_command, "xmp")
@click.argument("photos", nargs=-1, required=True, type=EXISTING, metavar="PHOTOS...")
@click.option("--dry-run", is_flag=True, help="Only tell what would be decided.")
@click.option(
    "--contacts", type=FILE, metavar="contacts.xml", help="Picasa's list of names, if it is old."
)
def import_xmp(app: App, photos: tuple[Path, ...], dry_run: bool, contacts: Path | None) -> int:
    """Name people as other programs named them in PHOTOS: files, or folders of them.

    Names are read from sidecars (IMG.JPG.xmp, IMG.xmp), from the files themselves and from Picasa's
    .picasa.ini; digiKam, Lightroom, Picasa and Windows Live Photo Gallery write them. The photos
    must have been ingested. People are made where nobody has such a name yet.

    All of it is one decision, which `facefind people undo` takes back. What you have decided
    yourself stays.
    """
    from facefind.people import name_faces
    from facefind.xmp.people import find_names

    known = _contacts(contacts)
    with app.store() as store:
        wrap = progress("names", app.quiet or app.json)
        found = find_names(store, photos, contacts=known, wrap=wrap)
        names = {sighting: named.name for sighting, named in found.faces.items()}
        done = name_faces(store, names, dry_run=dry_run) if names else None
    if app.json:
        print_json(_import_json(found, done, dry_run=dry_run))
    else:
        _tell_found(found, verbose=app.verbose)
        if not app.quiet:
            _tell_import(found, done, dry_run=dry_run)
    return EXIT_FAILED if found.problems or not found.faces else 0


def _contacts(path: Path | None) -> dict[str, str]:
    from facefind.errors import PhotoError, UsageError
    from facefind.images import read_file
    from facefind.xmp.regions import picasa_contacts

    if path is None:
        return {}
    try:
        return picasa_contacts(read_file(path).data)
    except PhotoError as error:
        raise UsageError(f"{path}: {error.message}.", "Give Picasa's contacts.xml.") from error


def _import_json(found: FoundNames, done: NamedFaces | None, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "decision": done.decision if done else None,
        "photos": found.photos,
        "unknown_photos": found.unknown,
        "faces": [
            {"face": sighting, "name": named.name, "photo": str(named.photo)}
            for sighting, named in found.faces.items()
        ],
        "confirmed": done.confirmed if done else 0,
        # Nothing is stored by a dry run, so new people have no number.
        "people_made": list(done.made) if done and not dry_run else [],
        "new_people": len(done.made) if done else 0,
        "conflicts": [
            {"face": one.sighting, "name": one.name, "reason": one.reason, "person": one.person}
            for one in (done.conflicts if done else ())
        ],
        "unmatched": [{"photo": str(one.photo), "name": one.name} for one in found.unmatched],
        "refused": [
            {"photo": str(one.photo), "name": one.name, "reason": reason}
            for one, reason in found.refused
        ],
        "problems": [{"path": str(path), "reason": reason} for path, reason in found.problems],
    }


def _tell_problems(heading: str, problems: Sequence[Problem]) -> None:
    for path, reason in problems[:_SHOWN]:
        click.echo(f"{heading}: {shown(path)}: {printable(reason)}", err=True)
    if len(problems) > _SHOWN:
        click.echo(f"... and {len(problems) - _SHOWN} more; --json shows all.", err=True)


def _tell_found(found: FoundNames, *, verbose: bool) -> None:
    _tell_problems("Not read", found.problems)
    refused = [(one.photo, f"{one.name}: {reason}") for one, reason in found.refused]
    _tell_problems("Not named", refused)
    if verbose:
        unmatched = [(one.photo, f"{one.name}: no face was found there") for one in found.unmatched]
        _tell_problems("Not named", unmatched)


def _tell_import(found: FoundNames, done: NamedFaces | None, *, dry_run: bool) -> None:
    if found.unknown:
        click.echo(
            f"{plural(found.unknown, 'photo')} of {found.photos} passed over: not ingested yet.",
            err=True,
        )
    if done is None:
        if not found.unknown or found.unknown < found.photos:
            click.echo(f"There are no names of faces.{_unmatched(found)}")
        return
    _tell_conflicts(done.conflicts)
    end = f" Undo: facefind people undo {done.decision}" if done.decision else ""
    if dry_run:
        end = " Nothing is stored: this was a dry run."
    click.echo(f"{_named_phrase(done, dry_run)}{_unmatched(found)}{end}")
    if done.decision:
        click.echo("facefind people group takes their other faces along.", err=True)


def _named_phrase(done: NamedFaces, dry_run: bool) -> str:
    if not done.confirmed and done.decision is None:
        already = "." if done.conflicts else ": it is so already."
        return f"Nothing {'would change' if dry_run else 'changed'}{already}"
    return (
        f"{plural(done.confirmed, 'face')} of {plural(done.names, 'person')} "
        f"{'would be named' if dry_run else 'named'}, {plural(len(done.made), 'person')} new."
    )


def _tell_conflicts(conflicts: Sequence[Conflict]) -> None:
    """What stays as a user has said, and how to take the file's word for it."""
    for one in conflicts[:_SHOWN]:
        name, reason = printable(one.name), printable(one.reason)
        click.echo(f"Left as it was: face {one.sighting}, {name} there, {reason}.", err=True)
    if len(conflicts) > _SHOWN:
        click.echo(f"... and {len(conflicts) - _SHOWN} more; --json shows all.", err=True)
    if conflicts:
        first = conflicts[0]
        look = f"facefind people show {first.person} shows the face; " if first.person else ""
        take = f'facefind people confirm {first.sighting} "{printable(first.name)}" --new'
        click.echo(f"{look}{take} takes the file's name.", err=True)


def _unmatched(found: FoundNames) -> str:
    count = len(found.unmatched)
    return f" {plural(count, 'name').capitalize()} at places without a face." if count else ""
