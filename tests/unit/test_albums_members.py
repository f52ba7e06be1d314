"""Which photos belong into whose album."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from facefind.albums import Album, Choice, Members, people_albums
from facefind.errors import NobodyFound, UsageError
from facefind.store.records import Person
from facefind.types import Event
from tests.people_store import PARTY, PeopleStore

MAY, JUNE, JULY = (datetime(2024, month, 1, tzinfo=timezone.utc) for month in (5, 6, 7))


def photo(name: str) -> Path:
    return Path("/party") / f"{name}.jpg"


@pytest.fixture
def store() -> PeopleStore:
    """Anna (1) and Bob (2) with names; 3 and 4 without, 4 in one photo; somebody unknown."""
    store = PeopleStore()
    store.show(photo("a"), 1, 2, taken_at=MAY)
    store.show(photo("b"), 1, 3, taken_at=JUNE)
    store.show(photo("c"), 3, None, taken_at=JULY)
    store.show(photo("d"), 4)
    store.show(photo("e"), None)
    store.show(photo("f"))
    store.change(1, name="Anna")
    store.change(2, name="Bob")
    return store


def choose(store: PeopleStore, **choice: object) -> Members:
    return people_albums(store, Choice([PARTY], **choice))  # type: ignore[arg-type]


def person(store: PeopleStore, number: int) -> Person:
    return store.persons[number]


def names(album: Album) -> list[str]:
    return [shown.photo.stem for shown in album.photos]


def titles(members: Members) -> dict[str, list[str]]:
    """By title, the photos of each album that has enough of them."""
    return {
        album.title: names(album)
        for album in members.albums
        if len(album.photos) >= max(album.min_photos, 1)
    }


def test_one_album_for_each_person_the_named_first(store: PeopleStore) -> None:
    members = choose(store)
    assert titles(members) == {"Anna": ["a", "b"], "Bob": ["a"], "Person 003": ["b", "c"]}
    assert list(titles(members)) == ["Anna", "Bob", "Person 003"]
    assert [photo.path.stem for photo in members.nobody] == ["e", "f"]
    assert [photo.path.stem for photo in members.photos] == ["a", "b", "c", "d", "e", "f"]


def test_who_has_no_name_needs_two_photos_unless_told_otherwise(store: PeopleStore) -> None:
    assert titles(choose(store, min_photos=1))["Person 004"] == ["d"]
    assert titles(choose(store, min_photos=2)) == {"Anna": ["a", "b"], "Person 003": ["b", "c"]}
    assert titles(choose(store, only=[person(store, 4)])) == {"Person 004": ["d"]}


def test_only_some_in_the_order_asked_for(store: PeopleStore) -> None:
    members = choose(store, only=[person(store, 3), person(store, 1)])
    assert list(titles(members)) == ["Person 003", "Anna"]
    assert [photo.path.stem for photo in members.nobody] == ["e", "f"]


def test_the_hidden_have_no_album_unless_asked_for(store: PeopleStore) -> None:
    store.change(3, hidden=True)
    members = choose(store)
    assert list(titles(members)) == ["Anna", "Bob"]
    assert [photo.path.stem for photo in members.nobody] == ["c", "e", "f"]
    assert "Person 003" in titles(choose(store, include_hidden=True))
    assert titles(choose(store, only=[person(store, 3)])) == {"Person 003": ["b", "c"]}


def test_together_holds_the_photos_that_show_both(store: PeopleStore) -> None:
    anna, bob, third = (person(store, number) for number in (1, 2, 3))
    store.change(2, hidden=True)
    members = choose(store, together=[(bob, anna), (anna, third), (anna, bob), (bob, third)])
    pairs = {album.title: names(album) for album in members.albums if album.kind == "pair"}
    assert pairs == {"Bob & Anna": ["a"], "Anna & Person 003": ["b"], "Bob & Person 003": []}
    with pytest.raises(UsageError, match="one person"):
        choose(store, together=[(anna, anna)])


def test_unsorted_holds_the_photos_that_show_nobody(store: PeopleStore) -> None:
    assert titles(choose(store, unsorted=True))["Unsorted"] == ["e", "f"]


def test_dates_limit_everything(store: PeopleStore) -> None:
    members = choose(store, after=JUNE, unsorted=True)
    assert titles(members) == {"Anna": ["b"], "Person 003": ["b", "c"]}
    assert [photo.path.stem for photo in members.photos] == ["b", "c"]
    members = choose(store, before=JUNE)
    assert titles(members) == {"Anna": ["a"], "Bob": ["a"]}


def test_the_cover_is_the_best_face_unless_one_was_chosen(store: PeopleStore) -> None:
    store.show(photo("g"), 1, 1, qualities={0: 0.9, 1: 0.9})
    best = store.faces[-1]
    assert choose(store).albums[0].cover == best
    store.change(1, cover=1)
    assert choose(store).albums[0].cover == store.faces[0]
    # A face that is somebody else's by now stands for nobody.
    store.change(1, cover=2)
    assert choose(store).albums[0].cover == best


def test_a_photo_is_in_an_album_once_by_its_better_face(store: PeopleStore) -> None:
    store.show(photo("g"), 1, 1, qualities={0: 0.3, 1: 0.8})
    album = choose(store).albums[0]
    assert names(album) == ["a", "b", "g"]
    assert album.photos[-1].sighting == store.faces[-1].sighting


def test_a_content_in_two_events_is_there_once_where_the_first_has_it(store: PeopleStore) -> None:
    second = Event(2, "second", "sface", "beef")
    store.photos[second.id] = [store.photos[PARTY.id][0]]
    members = people_albums(store, Choice([PARTY, second]))
    assert len(members.photos) == 6
    assert names(members.albums[0]) == ["a", "b"]


def test_without_people_there_are_no_albums() -> None:
    store = PeopleStore()
    store.show(photo("a"), None)
    with pytest.raises(NobodyFound, match="No people are known"):
        choose(store)
