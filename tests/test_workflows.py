"""The hosted workflows: pinned actions, few permissions, and commands that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="needs a checkout: the source distribution has no workflows")
USE = re.compile(r"^ *(?:- )?uses: *(\S+)(.*)$", re.MULTILINE)
PIN = re.compile(r"(?P<action>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40})")
VERSION = re.compile(r" # v\d+\.\d+\.\d+")


def unpinned(workflow: str) -> list[str]:
    """Return the lines that use an action without a commit and its version."""
    return [
        found[0].strip()
        for found in USE.finditer(workflow)
        if not (PIN.fullmatch(found[1]) and VERSION.fullmatch(found[2]))
    ]


def jobs(workflow: str) -> dict[str, str]:
    """Return the text of each job by its key."""
    _, *parts = re.split(r"^  (\w+):.*\n", workflow.partition("\njobs:\n")[2], flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def has_key(job: str, key: str) -> bool:
    return re.search(rf"^    {key}:", job, re.MULTILINE) is not None


def make_targets(text: str) -> set[str]:
    """Return the targets that the commands of a workflow make; all commands of make name one target."""
    return set(re.findall(r"\bmake ([a-z][\w-]*)", re.sub(r"#.*", "", text)))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
class TestWorkflow:
    def test_every_action_is_pinned_by_commit_and_names_its_version(self, path: Path) -> None:
        workflow = path.read_text(encoding="utf-8")
        assert USE.search(workflow)
        assert unpinned(workflow) == []

    def test_a_job_has_only_the_permissions_that_it_names_and_ends_in_time(self, path: Path) -> None:
        workflow = path.read_text(encoding="utf-8")
        assert "\npermissions: {}\n" in workflow
        assert "\nconcurrency:\n" in workflow
        assert jobs(workflow)
        for name, job in jobs(workflow).items():
            for key in ("permissions", "timeout-minutes", "name"):
                assert has_key(job, key), f"{name} has no {key}"

    def test_no_checkout_leaves_its_token_behind(self, path: Path) -> None:
        workflow = path.read_text(encoding="utf-8")
        checkouts = re.findall(r"actions/checkout@.*\n +with:\n +persist-credentials: false\n", workflow)
        assert len(checkouts) == workflow.count("actions/checkout@")

    def test_its_make_targets_exist(self, path: Path) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = set(re.findall(r"^([a-z][\w-]*):(?!=)", makefile, re.MULTILINE))
        assert make_targets(path.read_text(encoding="utf-8")) <= targets


def test_an_action_has_one_version_in_all_workflows() -> None:
    commits: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, commit in PIN.findall(path.read_text(encoding="utf-8")):
            commits.setdefault("/".join(action.split("/")[:2]), set()).add(commit)
    assert {action: len(found) for action, found in commits.items()} == dict.fromkeys(commits, 1)


def test_only_the_jobs_of_a_release_get_an_identity() -> None:
    allowed = {("wheels", "attest"), ("wheels", "publish"), ("scorecard", "scorecard")}
    found = {
        (path.stem, name)
        for path in WORKFLOWS
        for name, job in jobs(path.read_text(encoding="utf-8")).items()
        if "id-token: write" in job
    }
    assert found == allowed


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"- uses: a/b@{'0' * 40} # v1.2.3", []),
        (f"  uses: a/b/c@{'f' * 40} # v1.2.3", []),
        (f"- uses: a/b@{'0' * 40}", [f"- uses: a/b@{'0' * 40}"]),
        (f"- uses: a/b@{'0' * 40} # v1", [f"- uses: a/b@{'0' * 40} # v1"]),
        (f"- uses: a/b@{'0' * 39} # v1.2.3", [f"- uses: a/b@{'0' * 39} # v1.2.3"]),
        ("- uses: a/b@v1", ["- uses: a/b@v1"]),
        ("- uses: ./.github/actions/own", ["- uses: ./.github/actions/own"]),
    ],
)
def test_an_action_without_commit_or_version_is_noticed(line: str, found: list[str]) -> None:
    assert unpinned(f"    steps:\n      {line}\n") == found


def test_jobs_and_their_keys_are_found() -> None:
    workflow = "on: push\n\njobs:\n  a:\n    permissions:\n      contents: read\n  b: # why\n    steps:\n      - run: make x y\n"
    assert list(jobs(workflow)) == ["a", "b"]
    assert [has_key(job, "permissions") for job in jobs(workflow).values()] == [True, False]
    assert make_targets(workflow) == {"x"}
