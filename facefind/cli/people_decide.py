"""facefind people name, merge, split, reject, confirm, hide, unhide, hide-unnamed, cover, delete"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from facefind.cli.context import App, facefind_command
from facefind.cli.output import print_json
from facefind.cli.people_params import NUMBER, FaceNumber, say

if TYPE_CHECKING:
    from facefind.people.parting import Parts

who = click.argument("who", metavar="WHO")
everybody = click.argument("everybody", nargs=-1, required=True, metavar="WHO...")
these_faces = click.argument("faces", nargs=-1, required=True, type=FaceNumber(), metavar="FACE...")


@facefind_command(name="name")
@who
@click.argument("name", metavar="NAME")
@click.option("--another", is_flag=True, help='Where NAME is taken, this one is "NAME (2)".')
def name_command(app: App, who: str, name: str, another: bool) -> int:
    """Give the person WHO the name NAME; or another one, if they have a name."""
    from facefind import people

    with app.store() as store:
        return say(app, people.name_person(store, who, name, another=another))


@facefind_command(name="merge")
@everybody
@click.option("--name", metavar="NAME", help="What they are called then.")
def merge_command(app: App, everybody: tuple[str, ...], name: str | None) -> int:
    """Make several people one.

    The first one stays, with all faces of the others; but somebody with a name stays rather than
    one without. Where several have names, say which one to keep with --name.
    """
    from facefind import people

    with app.store() as store:
        return say(app, people.merge(store, everybody, name=name))


@facefind_command(name="split")
@who
@click.argument("faces", nargs=-1, type=NUMBER, metavar="[FACE]...")
@click.option("--name", metavar="NAME", help="The new person's.")
@click.option("--dry-run", is_flag=True, help="Without FACE: only show which faces would go.")
def split_command(
    app: App, who: str, faces: tuple[int, ...], name: str | None, dry_run: bool
) -> int:
    """Make a new person of some faces of WHO; `facefind people show` gives their numbers.

    Without any, the faces are told apart where they fit each other least. Look at them first:
    --dry-run lists them.
    """
    from facefind import people
    from facefind.people.parting import parts_of

    if dry_run and faces:
        raise click.UsageError("--dry-run shows which faces would be chosen: leave them out.")
    with app.store() as store:
        if faces:
            done = people.split(store, who, faces, name=name)
            return say(app, done, sightings=sorted(set(faces)))
        parts = parts_of(store, people.find_person(store, who))
        if dry_run:
            return _show_parts(app, parts)
        done = people.split(store, who, parts.leaves, name=name, sure=False)
        if not app.json:
            _print_parts(parts)
        return say(app, done, sightings=list(parts.leaves))


def _show_parts(app: App, parts: Parts) -> int:
    """What a split by suggestion would do."""
    if app.json:
        print_json({"stays": list(parts.stays), "leaves": list(parts.leaves)})
    else:
        _print_parts(parts)
    return 0


def _print_parts(parts: Parts) -> None:
    click.echo(f"Stays:  face {', '.join(map(str, parts.stays))}")
    click.echo(f"Leaves: face {', '.join(map(str, parts.leaves))}")


@facefind_command(name="reject")
@these_faces
@who
def reject_command(app: App, faces: tuple[int, ...], who: str) -> int:
    """Say that faces are not the person WHO; `facefind people show` gives their numbers.

    They are nobody's then, until they are grouped again: never as WHO.
    """
    from facefind import people

    with app.store() as store:
        return say(app, people.reject(store, faces, who))


@facefind_command(name="confirm")
@these_faces
@who
@click.option("--new", is_flag=True, help="Make the person, where nobody has the name WHO.")
def confirm_command(app: App, faces: tuple[int, ...], who: str, new: bool) -> int:
    """Say that faces are the person WHO, whoever they were taken for.

    `facefind people show` gives their numbers. Other faces that fit come along when they are
    grouped next: facefind people group.
    """
    from facefind import people

    with app.store() as store:
        return say(app, people.confirm(store, who, faces, create=new))


@facefind_command(name="hide")
@everybody
def hide_command(app: App, everybody: tuple[str, ...]) -> int:
    """Leave people out of lists and albums. Nothing is deleted."""
    from facefind import people

    with app.store() as store:
        return say(app, people.hide(store, everybody))


@facefind_command(name="unhide")
@everybody
def unhide_command(app: App, everybody: tuple[str, ...]) -> int:
    """Show hidden people again."""
    from facefind import people

    with app.store() as store:
        return say(app, people.unhide(store, everybody))


@facefind_command(name="hide-unnamed")
def hide_unnamed_command(app: App) -> int:
    """Hide everybody without a name, in one decision."""
    from facefind import people

    with app.store() as store:
        return say(app, people.hide_unnamed(store))


@facefind_command(name="cover")
@who
@click.argument("face", type=NUMBER, metavar="FACE")
def cover_command(app: App, who: str, face: int) -> int:
    """Choose the face that stands for WHO in lists and on pages."""
    from facefind import people

    with app.store() as store:
        return say(app, people.cover(store, who, face))


@facefind_command(name="delete")
@who
def delete_command(app: App, who: str) -> int:
    """Forget the person WHO: name, portraits and all. The faces stay, as nobody's.

    Grouping may make a new person of them; facefind people hide keeps them away for good.
    """
    from facefind import people

    with app.store() as store:
        return say(app, people.delete(store, who))
