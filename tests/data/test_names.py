"""The natural order of names, and which follow each other in it."""

from kidneyct.series import names


def test_numbers_are_compared_as_numbers():
    given = ["b 10.png", "b 9.png", "a 2 (1).png", "a 10 (1).png", "b.png", "b 09 x.png"]
    found = [given[row] for row in names.order(given)]
    assert found == ["a 2 (1).png", "a 10 (1).png", "b 09 x.png", "b 9.png", "b 10.png", "b.png"]


def test_neighbours_differ_in_the_last_number_alone():
    given = [
        "Cyst/Cyst- (10).jpg",
        "Cyst/Cyst- (9).jpg",
        "Cyst/Cyst- (12).jpg",
        "Stone/Cyst- (13).jpg",
        "Cyst/p1 s2.png",
        "Cyst/p2 s3.png",
        "Cyst/p2 s4.jpg",
        "Cyst/plain.png",
        "Cyst/plainer.png",
    ]
    assert names.neighbours(given).tolist() == [[1, 0], [0, 2], [5, 6]]
    assert names.neighbours([]).tolist() == []
