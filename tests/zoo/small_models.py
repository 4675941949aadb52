"""One small model for each way through the adapters; the tests build them with random weights."""

from miqd_builder.zoo.entry import ModelEntry

SMALL_DETECTOR_INPUT = {
    "test_dataloader.dataset.pipeline.1.scale": (96, 96),
    "test_dataloader.dataset.pipeline.2.size": (96, 96),
}
RTMDET = {
    **SMALL_DETECTOR_INPUT,
    "model.backbone.widen_factor": 0.125,
    "model.neck.in_channels": [32, 64, 128],
    "model.neck.out_channels": 32,
    "model.bbox_head.in_channels": 32,
    "model.bbox_head.feat_channels": 32,
}
MASK_RCNN = {
    "test_dataloader.dataset.pipeline.1.scale": (96, 96),
    "model.backbone.depth": 18,
    "model.backbone.base_channels": 8,
    "model.neck.in_channels": [8, 16, 32, 64],
    "model.test_cfg.rpn.max_per_img": 20,
    "model.test_cfg.rcnn.score_thr": 0.0,  # random weights are never sure
    "model.test_cfg.rcnn.max_per_img": 10,
}
SEGFORMER = {
    "test_dataloader.dataset.pipeline.1.scale": (96, 96),
    "model.backbone.embed_dims": 4,
    "model.decode_head.in_channels": [4, 8, 20, 32],
    "model.decode_head.channels": 16,
    "model.decode_head.num_classes": 5,
}
SEGNEXT = {  # draws random numbers while it looks
    "test_dataloader.dataset.pipeline.1.scale": (96, 96),
    "model.backbone.embed_dims": [8, 8, 16, 16],
    "model.backbone.depths": [1, 1, 1, 1],
    "model.decode_head.in_channels": [8, 16, 16],
    "model.decode_head.channels": 32,
    "model.decode_head.ham_channels": 32,
    "model.decode_head.num_classes": 4,
}
UNET = {  # looks at overlapping windows of 64x64 pixels
    "test_dataloader.dataset.pipeline.1.scale": (96, 96),
    "model.backbone.base_channels": 4,
    "model.decode_head.in_channels": 4,
    "model.decode_head.channels": 4,
    "model.decode_head.num_classes": 3,
    "model.auxiliary_head": None,
}

SMALL_MODELS = {
    entry.name: entry
    for entry in (
        ModelEntry(name="timm", task="cls", backend="timm", arch="mobilenetv3_small_050", arch_kwargs={"num_classes": 7}),
        ModelEntry(name="torchvision", task="cls", backend="torchvision", arch="squeezenet1_1", arch_kwargs={"num_classes": 7}),
        ModelEntry(
            name="mmpretrain",
            task="cls",
            backend="mmpretrain",
            config="mobilenet_v3/mobilenet-v3-small-050_8xb128_in1k.py",
            cfg_options={"model.head.num_classes": 7},
        ),
        ModelEntry(
            name="mmpretrain-overridden",
            task="cls",
            backend="mmpretrain",
            config="mobilenet_v3/mobilenet-v3-small-050_8xb128_in1k.py",
            preprocess={"resize_short": 72, "crop": 64, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)},
        ),
        ModelEntry(
            name="mmdet-rtmdet",
            task="det",
            backend="mmdet",
            config="rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
            cfg_options={**RTMDET, "model.bbox_head.num_classes": 5},
        ),
        ModelEntry(
            name="mmdet-mask-rcnn",
            task="ins",
            backend="mmdet",
            config="mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
            cfg_options=MASK_RCNN,
        ),
        ModelEntry(
            name="mmdet-mask-rcnn-boxes",
            task="det",
            backend="mmdet",
            config="mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
            cfg_options=MASK_RCNN,
        ),
        ModelEntry(
            name="mmdet-solo",
            task="ins",
            backend="mmdet",
            config="solov2/solov2-light_r18_fpn_ms-3x_coco.py",
            cfg_options={
                "test_dataloader.dataset.pipeline.1.scale": (96, 96),
                "model.backbone.base_channels": 8,
                "model.neck.in_channels": [8, 16, 32, 64],
                "model.mask_head.num_classes": 3,
                "model.test_cfg.nms_pre": 20,
                "model.test_cfg.max_per_img": 10,
            },
        ),
        ModelEntry(
            name="mmseg-segformer",
            task="seg",
            backend="mmseg",
            config="segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py",
            cfg_options=SEGFORMER,
        ),
        ModelEntry(
            name="mmseg-segnext",
            task="seg",
            backend="mmseg",
            config="segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py",
            cfg_options=SEGNEXT,
        ),
        ModelEntry(
            name="mmseg-unet",
            task="seg",
            backend="mmseg",
            config="unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py",
            cfg_options=UNET,
        ),
        ModelEntry(name="ultralytics", task="det", backend="ultralytics", arch="yolo11n", arch_kwargs={"nc": 5}),
        ModelEntry(name="ultralytics-seg", task="ins", backend="ultralytics", arch="yolov8n-seg"),
    )
}
