"""A manifest says which scenes, and what is wrong in it is named."""

import json

import pytest

from samnerf.errors import SamNerfError
from samnerf.scale.training_manifest import SceneJob, TrainingManifest, read_manifest

TOML = """
output = "runs"
method = "samnerf-distill"
arguments = ["--pipeline.datamanager.extract-missing", "True"]

[resources]
cpus = 4
gpus = 0.5

[[scenes]]
capture = "captures/fox"

[[scenes]]
capture = "captures/owl/transforms.json"
name = "owl-2"
method = "samnerf-tiny"
steps = 300
arguments = ["--machine.seed", "3"]
"""


def saved(folder, document, name="many.json"):
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_what_a_scene_does_not_say_the_file_says(tmp_path):
    everywhere = ("--pipeline.datamanager.extract-missing", "True")
    fox = SceneJob("fox", tmp_path / "captures/fox", "samnerf-distill", tmp_path / "runs", None, everywhere)
    owl_file = tmp_path / "captures/owl/transforms.json"
    owl = SceneJob("owl-2", owl_file, "samnerf-tiny", tmp_path / "runs", 300, (*everywhere, "--machine.seed", "3"))
    assert read_manifest(saved(tmp_path, TOML, "many.toml")) == TrainingManifest((fox, owl), 4.0, 0.5)
    assert owl.run == tmp_path / "runs" / "owl-2" / "samnerf-tiny" / "run"


def test_toml_and_json_say_the_same(tmp_path):
    import tomllib

    toml, same = saved(tmp_path, TOML, "many.toml"), saved(tmp_path, tomllib.loads(TOML))
    assert read_manifest(toml) == read_manifest(same)


SCENE = {"capture": "fox", "method": "samnerf-tiny"}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"output": "o", "scenes": []}, "scenes: list should have at least 1 item"),
        ({"output": "o", "scenes": [{"method": "m"}]}, "scenes.0.capture: field required"),
        ({"output": "o", "scenes": [SCENE | {"stepps": 3}]}, "scenes.0.stepps: extra inputs are not permitted"),
        ({"output": "o", "scenes": [SCENE | {"steps": 0}]}, "scenes.0.steps: input should be greater than 0"),
        ({"output": "o", "scenes": [SCENE | {"name": "../up"}]}, "scenes.0.name: string should match"),
        ({"output": "o", "scenes": [{"capture": "fox"}]}, "scenes.0 has no method, and neither has the file"),
        ({"output": "o", "scenes": [SCENE, SCENE]}, 'scenes.0 and scenes.1 are both called "fox"'),
        (
            {"output": "o", "scenes": [SCENE | {"arguments": ["--max_num_iterations=5"]}]},
            "scenes.0: --max-num-iterations may not be among the arguments; say steps = ...",
        ),
        ("[]", "the file: input should be"),
        ("{", "is not JSON: "),
    ],
)
def test_what_is_wrong_is_named(tmp_path, document, words):
    with pytest.raises(SamNerfError) as problem:
        read_manifest(saved(tmp_path, document))
    assert words in str(problem.value)
    assert str(tmp_path / "many.json") in str(problem.value)
    assert "\n" not in str(problem.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(SamNerfError, match=r"must end in .toml or .json"):
        read_manifest(saved(tmp_path, TOML, "many.yaml"))
    with pytest.raises(SamNerfError, match="cannot be read: No such file"):
        read_manifest(tmp_path / "none.toml")
