"""Where images come from: Kaggle, generated phantoms, the user's folder or zip, DICOM. All end as one archive."""
