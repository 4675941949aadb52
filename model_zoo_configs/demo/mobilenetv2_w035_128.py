# MobileNetV2 at 0.35 of its width for the eight classes of the demo scenes, input 128 x 128.
data_preprocessor = {
    "num_classes": 8,
    "mean": [123.675, 116.28, 103.53],
    "std": [58.395, 57.12, 57.375],
    "to_rgb": True,
}
model = {
    "type": "ImageClassifier",
    "backbone": {"type": "MobileNetV2", "widen_factor": 0.35},
    "neck": {"type": "GlobalAveragePooling"},
    "head": {
        "type": "LinearClsHead",
        "num_classes": 8,
        "in_channels": 1280,
        "loss": {"type": "CrossEntropyLoss", "loss_weight": 1.0},
        "topk": (1,),
    },
}
test_pipeline = [
    {"type": "LoadImageFromFile"},
    {"type": "ResizeEdge", "scale": 128, "edge": "short"},
    {"type": "CenterCrop", "crop_size": 128},
    {"type": "PackInputs"},
]
test_dataloader = {"dataset": {"type": "ImageNet", "pipeline": test_pipeline}}
