from evaluation.forecast import Forecast


class Watch:
    def __init__(self, members, processes):
        self.now, self.said = 100.0, []
        self.forecast = Forecast(members, processes=processes, say=self.said.append, clock=lambda: self.now)

    def step(self, seconds, *told):
        self.now += seconds
        self.forecast.told(*told)


def test_a_member_is_foretold_once_from_the_pace_of_its_first_training():
    watch = Watch(["unet"] * 7 + ["yolo"] * 7, processes=2)
    watch.step(50, "unet", "a", 0, 80)  # imports
    watch.step(30, "unet", "a", 1, 80)  # the first step is slow, and not measured
    watch.step(4, "unet", "a", 9, 80)  # a tenth, but not long enough
    watch.step(3, "unet", "b", 60, 80)  # another training says nothing
    assert not watch.said
    watch.step(1, "unet", "a", 17, 80)  # 16 steps in 8 s, 80 in 40 s, and four rounds of two
    assert watch.said == [
        "about 2 min 40 s for 7 trainings of unet on this machine, as measured on the first 8 s of one; yolo not "
        "measured yet"
    ]
    watch.step(30, "unet", "a", 60, 80)
    assert len(watch.said) == 1


def test_every_member_is_foretold():
    watch = Watch(["unet", "yolo"], processes=1)
    for member in ("unet", "yolo"):
        watch.step(1, member, member, 10, 100)
        watch.step(10, member, member, 30, 100)
    assert [line.partition(",")[0] for line in watch.said] == [
        "about 50 s for 1 trainings of unet on this machine",
        "about 50 s for 1 trainings of yolo on this machine",
    ]


def test_steps_of_an_interrupted_training_are_not_measured():
    watch = Watch(["unet"], processes=1)
    watch.step(1, "unet", "a", 90, 100)
    watch.step(10, "unet", "a", 94, 100)
    assert not watch.said
    watch.step(10, "unet", "a", 100, 100)
    assert watch.said[0].startswith("about 3 min 20 s for 1 trainings")
