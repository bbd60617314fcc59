"""Phantom data: CT-like axial slices through the kidneys, with known lesions and known patients.

A patient is a body that never changes and a slice position that does: every organ is an ellipsoid or a tube
whose cross-section varies smoothly along the body axis, as neighbouring slices of a CT series do. Coordinates
are millimetres, x to the picture's right (the patient's left), y towards the back, z along the body.
"""

import hashlib
import io
import itertools
import math
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from kidneyct.files import parallel
from kidneyct.files.atomic import new_folder
from kidneyct.images.archive import MASKS, PATIENTS, ROOT
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.sources import dicom

SIZE = 512  # pixels a side
PIXEL = 0.74  # mm a pixel: a field of view of 380 mm
SLICE_DISTANCE = 1.0  # mm between neighbouring slices
WINDOW_CENTRE, WINDOW_WIDTH = 45, 380  # HU; a soft-tissue window
JPEG_QUALITY = 92
CLASSES = ("Cyst", "Normal", "Stone", "Tumor")
INTERCEPT = -1024  # HU of a stored 0 in a DICOM file, as scanners have it

# Typical attenuation in HU, without contrast, from radiology textbooks; organs enhance by phase (PHASES).
AIR, FAT, SKIN, MUSCLE, WATER = -1000, -100, 20, 55, 6
LIVER, SPLEEN, KIDNEY, BLOOD, BOWEL = 58, 48, 32, 42, 30
SPONGY_BONE, DENSE_BONE, STONE, COUCH = 200, 700, 850, 260

# Enhancement in HU added to (kidney cortex, medulla, collecting system, vessels, liver, spleen, tumour).
PHASES = {
    "none": (0, 0, 0, 0, 0, 0, 6),
    "arterial": (120, 45, 0, 220, 15, 60, 75),
    "portal": (130, 105, 0, 120, 55, 70, 55),
    "delayed": (95, 95, 40, 70, 40, 45, 40),
}


class Slice(NamedTuple):
    label: str
    patient: int  # from 1, within the class
    position: int  # from 0, along the series
    image: np.ndarray  # (512, 512) uint8 grey
    mask: np.ndarray  # (512, 512) bool, the lesion
    hounsfield: np.ndarray  # (512, 512) int16, what the image shows through its window, in whole units


def grid():
    """Pixel centres in mm from the picture's middle: x and y, (512, 512) each."""
    axis = ((np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL).astype("float32")
    return np.meshgrid(axis, axis)


def ellipse(x, y, centre, radii, angle=0.0, power=2.0):
    """Where a turned (super)ellipse lies; 1 on its edge, smaller inside. `angle` in radians."""
    dx, dy = x - float(centre[0]), y - float(centre[1])
    # Plain floats keep the arrays in 32 bits.
    cos, sin = math.cos(angle), math.sin(angle)
    along = dx * (cos / float(radii[0])) + dy * (sin / float(radii[0]))
    across = dy * (cos / float(radii[1])) - dx * (sin / float(radii[1]))
    if power == 2:
        return np.sqrt(along * along + across * across)
    return (np.abs(along) ** power + np.abs(across) ** power) ** (1 / power)


def shrink(z, centre, half_length):
    """How far an ellipsoid's cross-section at height z is from its widest: 1 in the middle, 0 beyond its ends."""
    return float(np.sqrt(max(0.0, 1 - ((z - centre) / half_length) ** 2)))


def texture(generator, scale):
    """Smooth random field of mean 0 and standard deviation 1; `scale` is its grain in pixels."""
    if scale > 4:  # coarse grains are drawn small and enlarged
        step = max(1, int(scale // 2))
        small = generator.normal(size=(SIZE // step + 3,) * 2).astype("float32")
        small = ndimage.gaussian_filter(small, scale / step)
        field = ndimage.zoom(small, step, order=1)[:SIZE, :SIZE]
    else:
        field = ndimage.gaussian_filter(generator.normal(size=(SIZE, SIZE)).astype("float32"), scale)
    return (field - field.mean()) / field.std()


def scanner_noise(generator, strength):
    """CT noise in HU: its power rises with frequency and falls again, as filtered back-projection leaves it."""
    white = generator.normal(size=(SIZE, SIZE)).astype("float32")
    band = ndimage.gaussian_filter(white, 0.7) - 0.75 * ndimage.gaussian_filter(white, 2.2)
    return strength * band / band.std()


class Kidney:
    """One kidney: an ellipsoid with a cortex, a medulla, a sinus of fat that opens towards the spine."""

    def __init__(self, generator, side, body):
        self.side = side  # -1 in the picture's left half, 1 in its right
        draw = generator.uniform
        self.centre = side * body.half_width * draw(0.40, 0.47), body.half_depth * draw(0.26, 0.36)
        self.radii, self.angle = (draw(25, 31), draw(29, 36)), side * draw(0.25, 0.7)
        self.height, self.half_length = draw(-6, 6), draw(52, 65)
        self.cortex, self.wobble = draw(0.68, 0.74), draw(0, 2 * np.pi)

    def cross_section(self, x, y, z):
        """Edge distance of the kidney, of its medulla, of its sinus and of its pelvis; below 1 is inside."""
        size = max(shrink(z, self.height, self.half_length), 0.05)
        drift = self.centre_at(z)
        radii = (self.radii[0] * size, self.radii[1] * size)
        angles = np.arctan2(y - drift[1], x - drift[0])
        outline = 1 + 0.025 * np.cos(3 * angles + self.wobble) + 0.015 * np.cos(5 * angles - self.wobble)
        whole = ellipse(x, y, drift, radii, self.angle) * outline
        inner = whole / self.cortex * (1 + 0.09 * np.cos(9 * angles + self.wobble))
        opening = (drift[0] - self.side * 0.42 * radii[0], drift[1] - 0.15 * radii[1])
        sinus = ellipse(x, y, opening, (0.62 * radii[0], 0.34 * radii[1]), self.angle)
        pelvis = ellipse(x, y, opening, (0.30 * radii[0], 0.13 * radii[1]), self.angle)
        return whole, inner, sinus, pelvis

    def centre_at(self, z):
        """The middle of the cross-section at height z."""
        return self.centre[0] + 0.06 * self.side * (z - self.height), self.centre[1]

    def place(self, z, along, turn):
        """A point of the cross-section: `along` of the way from its centre to its edge, at angle `turn`."""
        size = max(shrink(z, self.height, self.half_length), 0.05)
        reach = along * size
        dx, dy = reach * self.radii[0] * np.cos(turn), reach * self.radii[1] * np.sin(turn)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        across, down = self.centre_at(z)
        return across + dx * cos - dy * sin, down + dx * sin + dy * cos


class Body:
    """What of a patient does not change from slice to slice, drawn from one generator in a fixed order."""

    def __init__(self, generator):
        draw = generator.uniform
        self.half_width, self.half_depth = draw(138, 175), draw(92, 122)
        self.fat, self.squareness = draw(7, 26), draw(2.1, 2.6)
        self.shift = (draw(-8, 8), draw(-8, 8))
        self.turn = draw(-0.05, 0.05)
        self.kidneys = [Kidney(generator, side, self) for side in (-1, 1)]
        self.phase = str(generator.choice(list(PHASES)))
        self.enhancement = draw(0.8, 1.15)
        self.liver = (draw(0.30, 0.42), draw(0.62, 0.85))
        self.spleen = draw(0.5, 1.0)
        self.aorta, self.cava = draw(8, 11.5), (draw(10, 14), draw(7, 10))
        self.calcified = draw() < 0.3
        self.psoas, self.back = draw(14, 23), draw(24, 32)
        self.vertebra = draw(19, 24)
        self.loops = [
            (draw(-0.66, 0.66), draw(-0.75, -0.08), draw(9, 21), draw(8, 15), draw(), draw(0, 6.28)) for _ in range(18)
        ]
        self.fields = [texture(generator, scale) for scale in (3, 10, 24)]  # fine, medium and coarse grain
        self.noise = draw(9, 15)
        self.blur = draw(0.55, 0.9)
        self.start = draw(-16, 8)
        self.couch = draw(6, 12)


class Patch:
    """A part of a slice: coordinates, what lies there by now in HU, the edge of the skin, and the patient's grain.

    All are views of the slice's arrays, (h, w): an organ's pixels get what they would get in the whole slice.
    """

    def __init__(self, x, y, hu, skin, fields):
        self.x, self.y, self.hu, self.skin, self.fields = x, y, hu, skin, fields
        self.fine, self.medium, self.coarse = fields

    def around(self, centre, reach):
        """What of the patch is at most `reach` mm from a point, or a little further."""
        box = nearby(self.x, self.y, centre, reach)
        return Patch(self.x[box], self.y[box], self.hu[box], self.skin[box], [field[box] for field in self.fields])

    def organ(self, centre, radii, *shape, reach=1.3):
        """The patch around an organ, as far as its edge may be moved to, and the organ as `ellipse` has it."""
        at = self.around(centre, reach * math.hypot(*radii))
        return at, ellipse(at.x, at.y, centre, radii, *shape)

    def fill(self, where, value):
        np.copyto(self.hu, value, where=where, casting="same_kind")


def nearby(x, y, centre, reach):
    """Rows and columns, two slices, that hold every pixel at most `reach` mm from a point.

    x and y are turned by 0.05 at most, so that at a picture's edge, 190 mm from its middle, they are off by 10 mm.
    """
    axes = ((y[:, SIZE // 2], centre[1]), (x[SIZE // 2], centre[0]))
    return tuple(slice(*np.searchsorted(axis, (at - reach - 11, at + reach + 11))) for axis, at in axes)


def draw_body(body, x, y, z):
    """The slice at height z without a lesion, in HU, (512, 512) float32, and where its cavity is, bool."""
    fine, medium, coarse = body.fields
    cortex, medulla, pelvis_gain, vessel, liver_gain, spleen_gain, _ = (
        gain * body.enhancement for gain in PHASES[body.phase]
    )
    width, depth = body.half_width + 0.15 * z, body.half_depth + 0.10 * z
    skin = ellipse(x, y, (0, 0), (width, depth), power=body.squareness) + 0.006 * coarse
    whole = Patch(x, y, np.full((SIZE, SIZE), AIR, "float32"), skin, body.fields)
    millimetre = 1 / depth  # a millimetre as a share of the body
    whole.fill(skin < 1, SKIN)
    whole.fill(skin < 1 - 2.2 * millimetre, FAT + 5 * medium + 4 * fine)
    wall = 1 - body.fat * millimetre
    whole.fill(skin < wall, MUSCLE + 5 * fine)
    cavity = wall - 11 * millimetre
    whole.fill(skin < cavity, FAT + 7 + 6 * medium)

    spine = (0.0, depth * 0.45)
    for side in (-1, 1):  # muscles along the spine
        centre = (side * (body.back + 9), spine[1] + body.vertebra + 9)
        at, back = whole.organ(centre, (body.back, 20), side * 0.12, 2.4)
        at.fill((back < 1.1) & (at.skin < 1 - 6 * millimetre), FAT + 8)
        at.fill((back < 1) & (at.skin < 1 - 8 * millimetre), MUSCLE + 6 * at.fine - 60 * (at.medium > 1.6))
        centre = (side * (body.vertebra + 13), spine[1] - 2)
        at, psoas = whole.organ(centre, (body.psoas * 0.72, body.psoas), side * 0.3)
        at.fill(psoas < 1, MUSCLE + 5 + 5 * at.fine)

    for number, (across, down, wide, high, gas, phase) in enumerate(body.loops):  # bowel
        centre = (across * width, down * depth + 2.5 * np.sin(phase + 0.05 * z))
        at, loop = whole.organ(centre, (wide, high), phase, reach=2)
        loop = loop * (1 + 0.08 * at.medium)
        inside = (at.skin < cavity) & (loop < 1)
        at.fill(inside, BOWEL + 18 + 0.3 * liver_gain + 6 * at.fine)
        at.fill(inside & (loop < 0.82), BOWEL - 8 + 10 * at.medium + 60 * (number % 5 == 1))
        if number % 5 == 2:  # stool: mottled with gas
            at.fill(inside & (loop < 0.8) & (at.fine > 0.3), -350)
        elif gas < 0.25:
            at.fill(inside & (loop < 0.8) & (at.y < centre[1] - 0.1 * high), -880)

    liver_size = 0.6 + 0.4 * shrink(z, 20, 75)
    reach, height = body.liver
    centre, radii = (-width * 0.56, -depth * 0.13), (width * reach * liver_size, depth * height * liver_size)
    at, liver = whole.organ(centre, radii, -0.25, 2.3)
    at.fill((liver + 0.03 * at.coarse < 1) & (at.skin < cavity), LIVER + liver_gain + 5 * at.fine + 3 * at.coarse)
    branches = (np.abs(at.medium) < 0.05) & (at.coarse > 0)
    at.fill((liver < 0.85) & (at.skin < cavity) & branches, LIVER + liver_gain + 0.25 * vessel)
    spleen_size = body.spleen * shrink(z, 30, 62)
    if spleen_size > 0.1:
        centre = (width * 0.70, depth * 0.05)
        at, spleen = whole.organ(centre, (22 * spleen_size, 46 * spleen_size), -0.15)
        at.fill((spleen + 0.03 * at.coarse < 1) & (at.skin < cavity), SPLEEN + spleen_gain + 5 * at.fine)

    for kidney in body.kidneys:
        at = whole.around(kidney.centre_at(z), 1.4 * max(kidney.radii))
        edge, inner, sinus, pelvis = kidney.cross_section(at.x, at.y, z)
        # Gerota's space: the kidney lies in fat, whatever else was drawn there.
        at.fill((edge < 1.22) & (at.skin < cavity), FAT + 4 + 5 * at.medium)
        at.fill(edge < 1, KIDNEY + cortex + 4 * at.fine)
        at.fill((edge < 1) & (inner < 1), KIDNEY + medulla + 5 * at.fine)
        at.fill((sinus < 1) & (edge < 1.1), FAT + 25 + 14 * at.medium)
        at.fill(pelvis < 1, WATER + 6 + pelvis_gain)
        if shrink(z, kidney.height, 14) > 0.3:
            vein = np.abs(y - kidney.centre[1] + 0.45 * kidney.radii[1] - 0.12 * np.abs(x - kidney.centre[0])) < 3.2
            along = (np.abs(x) > 16) & (np.abs(x) < np.abs(kidney.centre[0]) - 12) & (x * kidney.side > 0)
            whole.fill(vein & along, BLOOD + 0.85 * vessel)

    centre = (6, spine[1] - body.vertebra - 12)
    at, aorta = whole.organ(centre, (body.aorta, body.aorta))
    at.fill(aorta < 1, BLOOD + vessel)
    if body.calcified:
        at.fill((np.abs(aorta - 1) < 0.12) & (at.x > 8) & (at.coarse > -0.3), 420)
    at, cava = whole.organ((-24, spine[1] - body.vertebra - 9), body.cava)
    at.fill(cava < 1, BLOOD + 0.8 * vessel)

    at, vertebra = whole.organ(spine, (body.vertebra * 1.2, body.vertebra * 0.88), 0, 2.3)
    at.fill(vertebra < 1, DENSE_BONE * 0.75)
    at.fill(vertebra < 0.9, SPONGY_BONE + 45 * at.fine + 20 * at.medium)
    for down, radii, hu in ((5, (17, 13), DENSE_BONE * 0.7), (4, (9.5, 7.5), 35)):  # the arch, the canal in it
        at, ring = whole.organ((0, spine[1] + body.vertebra + down), radii)
        at.fill(ring < 1, hu)
    process = (np.abs(x) < 3.2) & (y > spine[1] + body.vertebra + 14) & (y < spine[1] + body.vertebra + 34)
    whole.fill(process & (skin < wall), DENSE_BONE * 0.6)
    for side in (-1, 1):
        bar = np.abs(y - spine[1] - body.vertebra * 0.8 - 0.25 * np.abs(x)) < 3.4
        whole.fill(bar & (x * side > body.vertebra * 0.8) & (x * side < body.vertebra * 0.8 + 24), DENSE_BONE * 0.55)

    for side in (-1, 1):  # ribs, cut at a slant, wander as the slice moves
        for number in range(5):
            turn = np.pi / 2 - side * (0.72 + 0.43 * number) - side * 0.008 * z
            radius = cavity + 5.5 * millimetre
            centre = (width * radius * np.cos(turn), depth * radius * np.sin(turn))
            at, rib = whole.organ(centre, (8.5, 3.6), np.arctan2(depth * np.cos(turn), -width * np.sin(turn)))
            at.fill(rib < 1, DENSE_BONE * 0.8)
            at.fill(rib < 0.6, SPONGY_BONE * 1.1)

    couch = y - (body.half_depth + body.couch - 0.0012 * x**2)
    whole.fill((np.abs(couch) < 1.1) & (skin > 1.02), COUCH)
    under = y - (body.half_depth + body.couch + 22 - np.maximum(np.abs(x) - 95, 0) * 0.75)
    whole.fill((np.abs(under) < 1.4) & (couch > 3), COUCH - 170)
    return whole.hu, skin < cavity


class Lesion:
    """A patient's lesion: its kidney, place, size and shape; drawn from a generator of its own."""

    def __init__(self, generator, label, body, height):
        draw = generator.uniform
        self.label, self.height = label, height
        self.kidney = body.kidneys[int(generator.integers(2))]
        if label == "Cyst":
            self.radius, self.along = draw(10, 22), draw(0.75, 1.0)
            self.hu = draw(WATER - 5, WATER + 8)
        elif label == "Tumor":
            self.radius, self.along = draw(16, 30), draw(0.6, 0.9)
            self.hu = draw(28, 40) + PHASES[body.phase][6] * body.enhancement
        else:
            self.radius, self.along = draw(2.2, 4.2), draw(0.2, 0.4)
            self.hu = STONE * draw(0.8, 1.3)
        # Cysts and tumours sit towards the front and the side, stones in the sinus, towards the spine.
        turn = draw(-0.4, 0.4) + np.pi if label == "Stone" else draw(-1.7, -0.3)
        self.turn = turn if self.kidney.side > 0 else np.pi - turn
        self.half_length = 1.25 * self.radius + 9  # mm; the lesion outlasts the series
        self.lobes = [(number, draw(0, 6.28), draw(0.03, 0.10)) for number in (2, 3, 5, 7)]
        self.fields = [texture(generator, scale) for scale in (5, 14)]

    def draw(self, hu, cavity, x, y, z):
        """Put the lesion into the slice at height z, inside the cavity; returns its mask, (512, 512) bool."""
        size = self.radius * max(shrink(z, self.height, self.half_length), 0.5)
        centre = self.kidney.place(self.height, self.along, self.turn)
        box = nearby(x, y, centre, 2.2 * size)  # lobes and grain move the edge of a circle
        edge = np.hypot(x[box] - centre[0], y[box] - centre[1]) / size
        angles = np.arctan2(y[box] - centre[1], x[box] - centre[0])
        fine, coarse = (field[box] for field in self.fields)
        mask, part = np.zeros(hu.shape, bool), hu[box]
        if self.label != "Tumor":
            mask[box] = (edge < (1 + 0.15 * fine if self.label == "Stone" else 1)) & cavity[box]
            hu[mask] = self.hu
            return mask
        for number, phase, depth in self.lobes:
            edge = edge * (1 + depth * np.cos(number * angles + phase))
        mask[box] = (edge + 0.05 * coarse < 1) & cavity[box]
        dead = (edge + 0.28 * coarse + 0.1 * fine) < 0.42  # necrosis in the middle does not enhance
        np.copyto(part, self.hu + 11 * fine + 15 * coarse, where=mask[box], casting="same_kind")
        np.copyto(part, 20 + 4 * fine, where=mask[box] & dead, casting="same_kind")
        return mask


def patient(label, number, slices, seed):
    """The series of one patient, `slices` neighbouring slices; `number` counts from 1 within the class.

    They depend on class, number and seed alone. Lesions apart, every class draws its patients from one distribution.
    """
    if label not in CLASSES:
        raise InputError(f"data.classes: the phantom knows {', '.join(CLASSES)}; found {label}")
    entropy = [seed, CLASSES.index(label), number]
    body = Body(np.random.default_rng([*entropy, 0]))
    height = body.start + SLICE_DISTANCE * (slices - 1) / 2
    lesion = Lesion(np.random.default_rng([*entropy, 1]), label, body, height) if label != "Normal" else None
    across, down = grid()
    x, y = across - body.shift[0], down - body.shift[1]
    cos, sin = math.cos(body.turn), math.sin(body.turn)
    x, y = x * cos + y * sin, y * cos - x * sin
    for position in range(slices):
        z = body.start + SLICE_DISTANCE * position
        hu, cavity = draw_body(body, x, y, z)
        mask = np.zeros((SIZE, SIZE), bool) if lesion is None else lesion.draw(hu, cavity, x, y, z)
        hu = ndimage.gaussian_filter(hu, body.blur)
        hu += scanner_noise(np.random.default_rng([*entropy, 2, position]), body.noise)
        # Not `window.linear`: DICOM's window lies half a unit aside and is one unit narrower.
        greys = (hu - (WINDOW_CENTRE - WINDOW_WIDTH / 2)) / WINDOW_WIDTH * 255
        greys = np.clip(greys, 0, 255).round().astype(np.uint8)
        yield Slice(label, number, position, greys, mask, hu.round().astype(np.int16))


def _encode(array, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def members(classes, patients_per_class, slices_per_patient, seed):
    """Archive members (name, bytes) laid out as Kaggle's: JPEGs, lesion masks and two tables.

    `kidneyData.csv` lists the images as Kaggle's does; `patients.csv` says each one's patient (series) and slice.
    """
    listed = [",image_id,path,diag,target,Class"]
    patients = ["image,series,label,slice"]

    every = list(itertools.product(classes, range(1, patients_per_class + 1)))
    with parallel.in_order(lambda who: list(map(files, patient(*who, slices_per_patient, seed))), every) as found:
        for (label, number), slices in progress.bar(found, what="phantom", unit="patient", total=len(every)):
            for position, (picture, mask) in enumerate(slices()):
                count = (number - 1) * slices_per_patient + position + 1
                stem = f"{label}/{label}- ({count})"
                yield f"{ROOT}/{stem}.jpg", picture
                yield f"{MASKS}/{stem}.png", mask
                row, target = len(listed) - 1, classes.index(label)
                listed.append(f"{row},{label}- ({count}),{stem}.jpg,{label},{target},{label}")
                patients.append(f"{stem}.jpg,{label}-{number},{label},{position}")
    yield "kidneyData.csv", ("\n".join(listed) + "\n").encode()
    yield PATIENTS, ("\n".join(patients) + "\n").encode()


def files(drawn):
    """A slice as the bytes of a JPEG, and its mask as those of a PNG."""
    rgb = np.repeat(drawn.image[..., None], 3, axis=2)
    return _encode(rgb, "JPEG", quality=JPEG_QUALITY), _encode(drawn.mask.astype(np.uint8) * 255, "PNG")


def scan(drawn):
    """A slice as the bytes of a DICOM CT file; the same slice gives the same bytes."""
    import pydicom
    from pydicom import uid

    def identifier(*words):
        return uid.generate_uid(entropy_srcs=["kidneyct phantom", who, *words])

    who = f"{drawn.label}-{drawn.patient}"
    pixels = (drawn.hounsfield - INTERCEPT).astype("<i2").tobytes()
    data = pydicom.Dataset()
    data.SOPClassUID, data.SOPInstanceUID = dicom.CT, identifier("slice", hashlib.sha256(pixels).hexdigest())
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.Modality, data.PatientName, data.PatientID = "CT", f"Phantom^{who}", who
    data.StudyInstanceUID, data.SeriesInstanceUID = identifier("study"), identifier("series")
    data.InstanceNumber = drawn.position + 1
    corner = -(SIZE - 1) / 2 * PIXEL
    data.ImagePositionPatient = [f"{corner:.3f}", f"{corner:.3f}", f"{drawn.position * SLICE_DISTANCE:.3f}"]
    data.ImageOrientationPatient = list(dicom.AS_SEEN)
    data.PixelSpacing, data.SliceThickness = [PIXEL] * 2, SLICE_DISTANCE
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = drawn.hounsfield.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 1, INTERCEPT, "HU"
    data.WindowCenter, data.WindowWidth = WINDOW_CENTRE, WINDOW_WIDTH
    data.PixelData = pixels
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def write_scans(folder, classes, patients_per_class, slices_per_patient, seed):
    """Write DICOM files CLASS/PATIENT/IM0001, … and masks/CLASS/PATIENT/IM0001.png into a new folder; their number."""
    folder = new_folder(folder, shown(folder))
    every = list(itertools.product(classes, range(1, patients_per_class + 1)))
    for label, number in progress.bar(every, what="phantom", unit="patient"):
        for drawn in patient(label, number, slices_per_patient, seed):
            name = f"{label}/{label}-{number}/IM{drawn.position + 1:04d}"
            for path, content in ((name, scan(drawn)), (f"{MASKS}/{name}.png", files(drawn)[1])):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
    return len(every) * slices_per_patient
