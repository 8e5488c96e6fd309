"""Links of many-to-many relations: one event for each owner and kind of change, however made."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.core import serializers
from django.core.management import call_command
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext, isolate_apps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import outbox
from outbox import checks, statements, topics
from outbox.errors import AutocommitRefused, EventTooLarge, InvalidCapture
from outbox.links import captured_links, release
from outbox.testing import assert_recorded, captured_events
from schemas import Links, lookup
from schemas.errors import InvalidContract
from tests.app.models import Club, Membership, Note, Page, Person
from tests.stored import stored
from tests.waiting import meanwhile

pytestmark = pytest.mark.django_db

Told = list[tuple[str, str, list[Any]]]


@contextmanager
def told(topic: str) -> Iterator[Told]:
    """What the block records on a topic: kind, key and ids of each event."""
    found: Told = []
    with captured_events() as events:
        yield found
    for each in events:
        if each.topic == topic:
            assert isinstance(each.event, Links)
            found.append((each.event.op, each.key.decode(), list(each.event.ids)))


@pytest.fixture
def people() -> list[Person]:
    return Person.objects.bulk_create([Person(pk=number) for number in range(1, 6)])


@pytest.fixture
def club(people: list[Person]) -> Club:
    club = Club.objects.create(name="chess")
    club.members.set(people[:2])
    return club


class TestOneSide:
    def test_links_that_are_added_are_one_event_with_their_ids_in_order(
        self, people: list[Person]
    ) -> None:
        club = Club.objects.create(name="chess")
        with told("test.club-members") as events:
            club.members.add(people[2], people[0].pk)
        assert events == [("add", "chess", [1, 3])]

    def test_only_those_that_were_not_there_are_added(self, club: Club) -> None:
        with told("test.club-members") as events:
            club.members.add(1, 2, 3)
            club.members.add(1, 2)
        assert events == [("add", "chess", [3])]

    def test_only_those_that_were_there_are_removed(self, club: Club) -> None:
        with told("test.club-members") as events:
            club.members.remove(1, 5)
            club.members.remove(5)
        assert events == [("remove", "chess", [1])]

    def test_setting_them_removes_some_and_adds_others(self, club: Club) -> None:
        with told("test.club-members") as events:
            club.members.set([2, 3, 4])
        assert events == [("remove", "chess", [1]), ("add", "chess", [3, 4])]

    def test_clearing_them_removes_all(self, club: Club) -> None:
        with told("test.club-members") as events:
            club.members.clear()
            club.members.clear()
        assert events == [("remove", "chess", [1, 2])]

    def test_a_row_that_a_related_manager_makes_is_linked(self, club: Club) -> None:
        with told("test.club-members") as events:
            club.members.create(pk=9)
        assert events == [("add", "chess", [9])]

    def test_the_asynchronous_twins_are_the_same(self, club: Club) -> None:
        with told("test.club-members") as events:
            async_to_sync(club.members.aadd)(3)
        assert events == [("add", "chess", [3])]


class TestTheOtherSide:
    def test_it_is_told_for_each_owner(self, club: Club) -> None:
        Club.objects.create(name="go")
        with told("test.club-members") as events:
            person: Any = Person.objects.get(pk=3)
            person.clubs.add("chess", "go")
            person.clubs.remove("go")
            person.clubs.set(["go"])
            person.clubs.clear()
        assert sorted(events[:2]) == [("add", "chess", [3]), ("add", "go", [3])]
        assert events[2:] == [
            ("remove", "go", [3]),
            ("remove", "chess", [3]),
            ("add", "go", [3]),
            ("remove", "go", [3]),
        ]

    def test_both_sides_may_be_captured(self, club: Club) -> None:
        with told("test.person-clubs") as events:
            club.members.set([2, 3])
        assert events == [("remove", "1", ["chess"]), ("add", "3", ["chess"])]


class TestLinksToItself:
    def test_a_mutual_link_is_told_for_both(self, people: list[Person]) -> None:
        with told("test.friends") as events:
            people[0].friends.add(2)
            people[1].friends.remove(1)
        assert sorted(events[:2]) == [("add", "1", [2]), ("add", "2", [1])]
        assert sorted(events[2:]) == [("remove", "1", [2]), ("remove", "2", [1])]

    def test_a_link_in_one_direction_is_told_for_its_owner(self, people: list[Person]) -> None:
        with told("test.follows") as events:
            people[0].follows.add(2, 3)
            people[0].followers.add(2)
        assert events == [("add", "1", [2, 3]), ("add", "2", [1])]


class TestTheTable:
    def test_bulks_are_told_by_owner(self, club: Club) -> None:
        Club.objects.create(name="go")
        rows = [("chess", 5), ("go", 1), ("chess", 4), ("chess", 1)]
        with told("test.club-members") as events:
            Membership.objects.bulk_create(
                [Membership(club_id=name, person_id=person) for name, person in rows],
                ignore_conflicts=True,
            )
            Membership.objects.filter(person_id=1).delete()
        assert events[:2] == [("add", "chess", [4, 5]), ("add", "go", [1])]
        assert sorted(events[2:]) == [("remove", "chess", [1]), ("remove", "go", [1])]

    def test_an_upsert_tells_only_of_links_that_were_not_there(self, club: Club) -> None:
        with told("test.club-members") as events:
            Membership.objects.bulk_create(
                [Membership(club=club, person_id=person, since=7) for person in (1, 3)],
                update_conflicts=True,
                unique_fields=["club", "person"],
                update_fields=["since"],
            )
        assert events == [("add", "chess", [3])]

    @pytest.mark.parametrize("postgres_tells", [True, False])
    def test_a_row_that_points_elsewhere_removes_one_link_and_adds_another(
        self, club: Club, postgres_tells: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not postgres_tells:  # before version 18 it does not tell of the row before
            monkeypatch.setattr(statements, "returns_old", lambda connection: False)
        Club.objects.create(name="go")
        row = Membership.objects.get(person_id=1)
        with told("test.club-members") as events:
            row.person_id = 4
            row.save()
            Membership.objects.filter(pk=row.pk).update(club="go")
        assert events == [
            ("remove", "chess", [1]),
            ("add", "chess", [4]),
            ("remove", "chess", [4]),
            ("add", "go", [4]),
        ]

    @isolate_apps("tests.app")
    @pytest.mark.parametrize("postgres_tells", [True, False])
    def test_so_does_one_that_another_model_of_the_same_table_writes(
        self, club: Club, postgres_tells: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Other(models.Model):
            person_id = models.BigIntegerField()
            objects: Any = models.Manager()

            class Meta:
                app_label = "testapp"
                db_table = "testapp_membership"
                managed = False

        monkeypatch.setattr(Other._meta, "apps", apps)
        if not postgres_tells:
            monkeypatch.setattr(statements, "returns_old", lambda connection: False)
        with told("test.club-members") as events:
            Other.objects.filter(person_id=1).update(person_id=4)
        assert events == [("remove", "chess", [1]), ("add", "chess", [4])]

    @pytest.mark.parametrize("postgres_tells", [True, False])
    def test_a_row_that_changes_otherwise_is_no_event(
        self, club: Club, postgres_tells: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not postgres_tells:
            monkeypatch.setattr(statements, "returns_old", lambda connection: False)
        with told("test.club-members") as events:
            Membership.objects.update(since=7)
            Membership.objects.update(person=models.F("person"))
            for row in Membership.objects.all():
                row.save()
        assert events == []

    def test_a_row_that_points_nowhere_is_no_link(self, club: Club) -> None:
        with told("test.club-members") as events:
            row = Membership.objects.create(club=club)
            row.person_id = 3
            row.save()
            row.person_id = None
            row.save()
            row.delete()
        assert events == [("add", "chess", [3]), ("remove", "chess", [3])]

    def test_more_than_a_thousand_ids_are_several_events(self) -> None:
        people = Person.objects.bulk_create([Person() for _ in range(2_001)])
        club, other = (Club.objects.create(name=name) for name in ("chess", "go"))
        with told("test.club-members") as added:
            club.members.add(*people)
        assert sorted(len(ids) for _, _, ids in added) == [1, 1_000, 1_000]
        with told("test.club-members") as moved:
            Membership.objects.update(club=other)
        assert [(op, key, len(ids)) for op, key, ids in moved] == [
            (op, key, count)
            for op, key in (("remove", "chess"), ("add", "go"))
            for count in (1_000, 1_000, 1)
        ]
        assert sorted(each for _, _, ids in moved for each in ids) == sorted(
            2 * [each.pk for each in people]
        )

    def test_what_is_too_large_for_one_event_is_told_by_several(
        self, club: Club, settings: Any
    ) -> None:
        people = Person.objects.bulk_create([Person(pk=number) for number in range(100, 200)])
        settings.OUTBOX_MAX_EVENT_BYTES = 120
        with captured_events() as recorded, told("test.club-members") as events:
            club.members.set(people)
        assert max(each.size for each in recorded) <= 120
        assert events[0] == ("remove", "chess", [1, 2])
        assert len(events) > 2
        assert [pk for _, _, ids in events[1:] for pk in ids] == [each.pk for each in people]

    def test_one_link_that_is_too_large_for_an_event_is_refused(
        self, club: Club, settings: Any
    ) -> None:
        settings.OUTBOX_MAX_EVENT_BYTES = 40
        refused = pytest.raises(EventTooLarge, match="members with key 'chess' has 43 bytes")
        with refused, transaction.atomic():
            club.members.add(3, 4)
        assert club.members.count() == 2


class TestDeletes:
    def test_a_delete_of_the_owner_removes_its_links(self, club: Club) -> None:
        with told("test.club-members") as events:
            club.delete()
        assert events == [("remove", "chess", [1, 2])]

    def test_a_delete_at_the_other_end_removes_the_link(self, people: list[Person]) -> None:
        people[0].friends.add(2, 3)
        with told("test.friends") as events:
            Person.objects.filter(pk=3).delete()
        assert sorted(events) == [("remove", "1", [3]), ("remove", "3", [1])]

    def test_a_link_that_a_delete_sets_to_null_is_removed(self, club: Club) -> None:
        with told("test.club-members") as events:
            Person.objects.get(pk=1).delete()
        assert events == [("remove", "chess", [1])]


class TestRecording:
    def test_the_event_has_the_key_of_the_owner_and_travels_on_a_topic_for_events(
        self, people: list[Person]
    ) -> None:
        with captured_events() as events:
            people[0].follows.add(2)
        (event,) = events
        assert (event.type, event.version, event.topic) == ("test.follows", 2, "test.follows")
        assert (event.key, event.subject) == (b"1", "1")
        assert event.value == b'{"op":"add","owner":1,"ids":[2]}'
        kinds = {topic.name: topic.kind for topic in topics.declared()}
        assert kinds["test.follows"] == kinds["test.club-members"] == "events"
        assert lookup("testapp.club.members", 1) is next(
            each.event for each in captured_links() if each.label == "testapp.Club.members"
        )

    def test_it_costs_no_statement(self, club: Club) -> None:
        def statements() -> list[str]:
            with CaptureQueriesContext(
                connection,
            ) as queries:
                club.members.set([2, 3])
                Membership.objects.all().delete()
            # What triggers are told stands before it.
            return [query["sql"].rpartition("; ")[2].split()[0] for query in queries]

        captured = statements()
        club.members.set([1, 2])
        with outbox.suppress():
            assert statements() == captured

    @pytest.mark.parametrize("silent", [(Membership,), (Club,), ()])
    def test_it_is_silenced_by_the_table_and_by_the_owner(
        self, club: Club, silent: tuple[type[models.Model], ...]
    ) -> None:
        with told("test.club-members") as events, outbox.suppress(*silent):
            club.members.add(3)
            club.members.clear()
        assert events == []

    def test_it_is_not_silenced_by_the_other_end(self, club: Club) -> None:
        with told("test.club-members") as events, outbox.suppress(Person):
            club.members.add(3)
        assert events == [("add", "chess", [3])]

    def test_what_is_rolled_back_is_not_recorded(self, club: Club) -> None:
        with told("test.club-members") as events:
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                club.members.add(3)
                _ = 1 / 0
            club.members.add(4)
        assert events == [("add", "chess", [4])]

    @pytest.mark.parametrize("raw", [True, False])
    def test_links_in_fixtures_are_recorded_as_any_others(
        self, people: list[Person], raw: bool, tmp_path: Path, settings: Any
    ) -> None:
        people[0].follows.add(3, 2)
        fixture = tmp_path / "people.json"
        fixture.write_text(serializers.serialize("json", people[:1]))
        people[0].follows.clear()
        settings.OUTBOX_CAPTURE_RAW = raw
        with told("test.follows") as events:
            call_command("loaddata", fixture, verbosity=0)
        assert events == [("add", "1", [2, 3])]

    @pytest.mark.parametrize(("raw", "told_of"), [(True, [("add", "chess", [3])]), (False, [])])
    def test_rows_of_a_table_that_somebody_wrote_are_raw_saves_in_a_fixture(
        self, club: Club, raw: bool, told_of: Told, tmp_path: Path, settings: Any
    ) -> None:
        fixture = tmp_path / "memberships.json"
        row = Membership(pk=1_000, club=club, person_id=3)
        fixture.write_text(serializers.serialize("json", [row]))
        settings.OUTBOX_CAPTURE_RAW = raw
        with told("test.club-members") as events:
            call_command("loaddata", fixture, verbosity=0)
        assert events == told_of

    def test_it_is_asserted_by_the_relation(self, club: Club) -> None:
        with assert_recorded(Club.members, count=1, op="add", owner="chess", ids=(3,)) as found:
            club.members.add(3)
        assert isinstance(found[0], Links)
        with (
            pytest.raises(AssertionError, match=r"1 of testapp\.Club\.members\(op='remove'\)"),
            assert_recorded(Club.members, count=1, op="remove"),
        ):
            club.members.add(4)
        with (
            pytest.raises(InvalidCapture, match=r"testapp\.Page\.labels are not captured"),
            assert_recorded(Page.labels),
        ):
            pass


@pytest.mark.django_db(transaction=True)
class TestOrder:
    @pytest.mark.parametrize(("then", "told"), [("add", ["remove", "add"]), ("remove", ["remove"])])
    def test_transactions_that_change_one_link_tell_of_it_in_their_order(
        self, then: str, told: list[str]
    ) -> None:
        person, other = Person.objects.bulk_create([Person(pk=1), Person(pk=2)])
        person.follows.add(other)
        with meanwhile(lambda: getattr(person.follows, then)(other)):
            person.follows.remove(other)
        events = [row.json for row in stored() if row.topic == "test.follows"]
        assert [each["op"] for each in events] == ["add", *told]


@pytest.mark.django_db(transaction=True)
class TestAutocommit:
    def test_a_row_written_in_autocommit_is_recorded_with_it(self) -> None:
        Club.objects.create(name="chess")
        Membership.objects.create(club_id="chess", person=Person.objects.create(pk=1))
        assert [row.json for row in stored() if row.topic == "test.club-members"] == [
            {"op": "add", "owner": "chess", "ids": [1]}
        ]

    def test_it_is_refused_where_a_transaction_is_required(self, settings: Any) -> None:
        club = Club.objects.create(name="chess")
        settings.OUTBOX_AUTOCOMMIT = "require"
        with pytest.raises(AutocommitRefused, match="Membership"):
            Membership.objects.create(club=club, person=Person.objects.create())
        assert stored() == []


class TestRefusals:
    @pytest.mark.parametrize("given", [Club, Membership.club, "members", None])
    def test_what_is_no_relation_is_refused_with_the_cure(self, given: Any) -> None:
        with pytest.raises(InvalidCapture, match=r"no many-to-many relation; .*Order\.labels"):
            outbox.capture_links(given, topic="test.x")

    def test_a_foreign_key_is_named(self) -> None:
        with pytest.raises(InvalidCapture, match=r"ForeignKey: club> is no many-to-many"):
            outbox.capture_links(Membership.club, topic="test.x")  # type: ignore[arg-type]

    def test_a_relation_is_captured_once(self) -> None:
        with pytest.raises(InvalidCapture, match=r"testapp\.Club\.members .*captured already"):
            outbox.capture_links(Club.members, topic="test.x")

    def test_it_needs_a_topic(self) -> None:
        with pytest.raises(InvalidCapture, match="needs a topic"):
            outbox.capture_links(Page.labels, topic=None)  # type: ignore[arg-type]

    def test_a_contract_that_is_none_is_refused_with_the_relation_named(self) -> None:
        with pytest.raises(
            InvalidContract, match=r"^testapp\.Page\.labels .*'Page\.Labels' is not"
        ):
            outbox.capture_links(Page.labels, topic="test.x", type="Page.Labels")

    @isolate_apps("tests.app")
    def test_that_of_an_abstract_model_is_refused(self) -> None:
        class Base(models.Model):
            notes: Any = models.ManyToManyField(Note)

            class Meta:
                abstract = True
                app_label = "testapp"

        with pytest.raises(InvalidCapture, match="belongs to an abstract model"):
            outbox.capture_links(Base.notes, topic="test.x")

    @isolate_apps("tests.app")
    def test_ends_in_two_tables_are_refused(self) -> None:
        class Board(Isolated):
            guests: Any = models.ManyToManyField("Guest", through="Visit")

        class Guest(Isolated): ...

        class Half(Isolated):
            board = models.ForeignKey(Board, models.CASCADE)

        class Visit(Half):
            guest = models.ForeignKey(Guest, models.CASCADE)

        with pytest.raises(InvalidCapture, match=r"those of testapp\.Half and testapp\.Visit; "):
            outbox.capture_links(Board.guests, topic="test.x")
        assert not [each for each in captured_links() if each.model is Visit]


class TestChecks:
    def test_links_that_may_be_there_twice_are_a_warning(self) -> None:
        with isolated_relation(models.ForeignKey):
            (found,) = checks.check_links()
        assert found.id == "outbox.W009"
        assert "Two rows of testapp.Visit may be the same link of testapp.Board.guests" in found.msg

    @isolate_apps("tests.app")
    def test_a_constraint_may_name_the_columns(self) -> None:
        class Board(Isolated):
            guests: Any = models.ManyToManyField("Guest", through="Visit")

        class Guest(Isolated): ...

        class Visit(Isolated):
            board = models.ForeignKey(Board, models.CASCADE)
            guest = models.ForeignKey(Guest, models.CASCADE)

            class Meta(Isolated.Meta):
                constraints = [
                    models.UniqueConstraint(fields=["board_id", "guest_id"], name="visited_once")
                ]

        with captured(Board.guests):
            assert list(checks.check_links()) == []

    def test_links_on_a_topic_of_states_are_refused(self) -> None:
        with isolated_relation(models.OneToOneField, topic="test.orders"):
            assert list(checks.check_links()) == []
            found = [each for each in checks.check_topics() if "Board.guests" in each.msg]
        assert [each.id for each in found] == ["outbox.E002"]
        assert "captured model testapp.Order, links testapp.Board.guests" in found[0].msg

    def test_links_in_another_database_are_refused(self, settings: Any) -> None:
        settings.DATABASE_ROUTERS = ["tests.integration.outbox.test_links.Elsewhere"]
        found = [each for each in checks.check_links() if each.obj is Membership]
        assert {each.id for each in found} == {"outbox.E005"}
        assert "testapp.Club.members is written in database 'other'" in found[0].msg

    def test_links_that_are_released_are_told_no_longer(self) -> None:
        before = captured_links()
        with isolated_relation(models.ForeignKey):
            assert len(captured_links()) == len(before) + 1
        assert captured_links() == before


class Isolated(models.Model):
    class Meta:
        abstract = True
        app_label = "testapp"


class Elsewhere:
    def db_for_write(self, model: type[models.Model], **hints: object) -> str | None:
        return "other" if model is Membership else None


@contextmanager
def isolated_relation(end: Callable[..., Any], topic: str = "test.x") -> Iterator[None]:
    """A captured relation, with an `end` in its table for this side, that exists in the block."""
    with isolate_apps("tests.app"):

        class Board(Isolated):
            guests: Any = models.ManyToManyField("Guest", through="Visit")

        class Guest(Isolated): ...

        class Visit(Isolated):
            board = end(Board, models.CASCADE)
            guest = models.ForeignKey(Guest, models.CASCADE)

        with captured(Board.guests, topic):
            yield


@contextmanager
def captured(relation: Any, topic: str = "test.x") -> Iterator[None]:
    outbox.capture_links(relation, topic=topic)
    try:
        yield
    finally:
        release(relation)


OWNERS, OTHERS = ("chess", "go", "tennis"), range(1, 5)

someone = st.sampled_from(OTHERS)
anything = st.sampled_from(OWNERS)
some_people, some_clubs = st.sets(someone).map(sorted), st.sets(anything).map(sorted)
changes = st.sampled_from(["add", "remove", "set"])
steps = st.one_of(
    st.tuples(st.just("club"), anything, changes, some_people),
    st.tuples(st.just("person"), someone, changes, some_clubs),
    st.tuples(st.just("friend"), someone, changes, some_people),
    st.tuples(st.just("club"), anything, st.just("clear"), st.just([])),
    st.tuples(st.just("person"), someone, st.just("clear"), st.just([])),
    st.tuples(st.just("friend"), someone, st.just("clear"), st.just([])),
    st.tuples(st.just("club"), anything, st.just("delete"), st.just([])),
    st.tuples(st.just("person"), someone, st.just("delete"), st.just([])),
    st.tuples(st.just("move"), anything, st.just("update"), some_clubs),
    st.tuples(st.just("table"), anything, st.just("delete"), some_people),
)
programs = st.lists(st.tuples(steps, st.booleans()), min_size=1, max_size=12)


SIDES: dict[str, tuple[type[models.Model], str]] = {
    "club": (Club, "members"),
    "person": (Person, "clubs"),
    "friend": (Person, "friends"),
}


def run(where: str, owner: Any, change: str, others: list[Any]) -> None:
    match where, change:
        case "move", _:
            # A club takes over the members that it does not have.
            theirs = Membership.objects.filter(club__in=others)
            ours = Membership.objects.filter(club=owner).values("person")
            for club in others:
                theirs.filter(club=club).exclude(person__in=ours).update(club=owner)
        case "table", _:
            Membership.objects.filter(club=owner, person__in=others).delete()
        case _, "delete":
            model, _name = SIDES[where]
            model(pk=owner).delete()
            model._default_manager.create(pk=owner)
        case _:
            model, name = SIDES[where]
            arguments = {"set": [others], "clear": []}.get(change, others)
            getattr(getattr(model(pk=owner), name), change)(*arguments)


def run_or_undo(step: Any, keep: bool) -> None:
    class Undo(Exception): ...

    try:
        with transaction.atomic():
            run(*step)
            if not keep:
                raise Undo
    except Undo:
        pass


def pairs(table: Any, owner: str, other: str) -> dict[Any, set[Any]]:
    found: defaultdict[Any, set[Any]] = defaultdict(set)
    rows = table.objects.exclude(**{owner: None}).exclude(**{other: None})
    for key, each in rows.values_list(owner, other):
        found[key].add(each)
    return dict(found)


def applied(events: list[Any], topic: str) -> dict[Any, set[Any]]:
    """What a consumer holds: a dictionary of sets, to which each event is applied in order."""
    held: defaultdict[Any, set[Any]] = defaultdict(set)
    for each in events:
        if each.topic == topic:
            ids = set(each.event.ids)
            assert len(ids) == len(each.event.ids)
            if each.event.op == "add":
                assert not ids & held[each.event.owner]
                held[each.event.owner] |= ids
            else:
                assert ids <= held[each.event.owner]
                held[each.event.owner] -= ids
    return {owner: ids for owner, ids in held.items() if ids}


@given(programs)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_events_applied_in_order_give_the_table(program: list[Any]) -> None:
    with transaction.atomic():
        Person.objects.bulk_create([Person(pk=number) for number in OTHERS])
        Club.objects.bulk_create([Club(name=name) for name in OWNERS])
        with captured_events() as events:
            for step, keep in program:
                run_or_undo(step, keep)
        friends = Person.friends.through
        assert applied(events, "test.club-members") == pairs(Membership, "club", "person")
        assert applied(events, "test.person-clubs") == pairs(Membership, "person", "club")
        assert applied(events, "test.friends") == pairs(friends, "from_person", "to_person")
        transaction.set_rollback(True)
