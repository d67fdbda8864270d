from terrazzo.core import LabelMap
from terrazzo.evaluate import evaluate
from terrazzo.evaluate.protocol import void_rule
from tests.evaluate.made import Made, NearestColor


def test_protocol__says_all_that_a_score_needs() -> None:
    dataset = Made(groups=["a", "a", "b", "b", "c", "c"])
    protocol = evaluate(NearestColor(), dataset).protocol.to_json()
    assert protocol["data"] == "made"
    assert protocol["split"] == "val"
    assert protocol["images"] == 6
    assert protocol["data_fingerprint"] == dataset.fingerprint
    assert protocol["classes"] == ["sky", "road", "car"]
    assert protocol["void"] == "void pixels of the ground truth (255) are not counted"
    assert protocol["resolution"] == "original ground truth"
    assert protocol["averaging"] == "mean over classes present (union > 0) of the pooled confusion matrix"
    assert protocol["tta"] == "none"
    assert protocol["interval"] == "95 % bootstrap over groups (3), 2000 resamples, seed 0"
    assert protocol["notes"] == ["Only 3 groups could be resampled: the interval is rough."]


def test_protocol__tells_of_what_the_dataset_notes_and_of_one_group() -> None:
    class Noted(Made):
        notes = ("Two masks are empty.",)

    notes = evaluate(NearestColor(), Noted(groups=["clip"] * 6)).protocol.notes
    assert notes[0] == "Two masks are empty."
    assert "one group (clip)" in notes[1]


def test_fingerprint__changes_with_the_data_and_not_with_the_model() -> None:
    def fingerprint(dataset: Made, model: NearestColor | None = None) -> str:
        return evaluate(model or NearestColor(), dataset).protocol.fingerprint

    same = fingerprint(Made())
    worse = NearestColor()
    worse.colors_KC.data.zero_()
    assert len(same) == 12
    assert fingerprint(Made(), worse) == same
    assert fingerprint(Made(groups=["a", "a", "a", "b", "b", "b"])) == same, "the interval is not the score"
    assert fingerprint(Made(5)) != same
    assert fingerprint(Made(split="test")) != same
    assert fingerprint(Made(names=("sky", "road", "bus"))) != same


def test_void_rule__names_ids_and_colours() -> None:
    base = LabelMap.of({"a": (0, 0, 0)}, void_ids=())
    assert "(there are none)" in void_rule(base)
    colored = LabelMap(base.classes, (11, 255), ((1, 2, 3),))
    assert "(11, 255, rgb(1, 2, 3))" in void_rule(colored)
