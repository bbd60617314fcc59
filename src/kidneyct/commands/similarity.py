"""`kidneyct similarity`: what `series.similarity` decides, threshold by threshold, on the data here."""

THRESHOLDS = (0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.999, 0.9995)

HELP = "show what the threshold decides that groups slices into series"
DESCRIPTION = """\
Images whose thumbnails correlate above series.similarity (params.yaml) are taken for slices of one series. This shows
what other thresholds would make of the images here, a line each. Run `dvc repro preprocess` before."""
EXAMPLES = """\
example:
  kidneyct similarity
      160 images; series.similarity is 0.99
       similarity  series  single  mixed  purity  folds  nearest_thumbnail  majority
             0.95      35       0      2    0.95      5             0.1701     0.223
      …
             0.99      40       0      0       1      5               0.25      0.25
      …
            0.999      44       3      0       1      5              0.275      0.25

single             series of one image; many of them mean that slices of one scan fall apart
mixed, purity      series of more than one class; the share of images whose class is the commonest of their series
nearest_thumbnail  accuracy of copying the nearest thumbnail's class across folds that keep series together: high
                   means that slices of one scan still lie on both sides
majority           accuracy of always saying the commonest class"""


def add_arguments(parser):
    """Takes none."""


def run(options):
    from kidneyct import params
    from kidneyct.data import thresholds
    from kidneyct.runs import workspace

    p = params.validate()
    images, thumbnails = workspace.thumbnails(p.model_dump())
    table = thresholds.sweep(thumbnails, images["sha256"], images["label"], THRESHOLDS, p.split.seed)
    print(f"{len(images)} images; series.similarity is {p.series.similarity}")
    print(table.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.4g}"))
    return 0
