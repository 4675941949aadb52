"""The demo: rendered scenes and the small models trained on them, so that the whole pipeline runs without any download.

- `shapes`: the eight object classes, their outlines and how light falls on them.
- `backgrounds`: procedural textures.
- `scenes`: one scene from a split and an index: image, class label, instance masks, boxes.
- `validation`: the eight committed scenes as COCO annotations, labels and ROI masks.
- `entries`: the demo zoo's entries: build a model, read and write its weights and its metric.
- `schedules`: how long and how fast each model is trained.
- `train_classifiers`, `train_detectors`: the two training loops.
- `evaluation`: box AP and mask AP.
- `train`: ``python -m pipelines.demo.train [NAME ...]``, what ``make demo-zoo`` runs.
"""
