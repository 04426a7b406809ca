"""torchvision's DeepLabHead, the decoder of LoRA-NIR.

On a 14 x 14 token grid kernels with dilation 24 and 36 only see their centre; smaller rates are an option.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torchvision.models.segmentation.deeplabv3 import ASPPPooling, DeepLabHead

from nirlora.models.heads.base import HeadOptions, HeadSpec


class PoolNorm(nn.BatchNorm2d):
    """Batch norm behind global pooling. With one image there is one value per channel, which has no variance:
    then the running statistics are used, as at inference, and left as they are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As batch norm's, but for one value per channel."""
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


class AsppHead(nn.Module):
    """Atrous spatial pyramid pooling, 256 channels a branch, then bilinear upsampling."""

    def __init__(self, options: HeadOptions) -> None:
        super().__init__()
        self.decoder = DeepLabHead(options.dim, options.num_classes, options.aspp_rates)
        for module in self.decoder.modules():
            if isinstance(module, ASPPPooling):
                module[2] = PoolNorm(module[2].num_features)

    def forward(self, features: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Logits (N, K, H, W) of features (N, d, h, w); of the image only the size is used."""
        logits: torch.Tensor = self.decoder(features)
        return functional.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)


SPEC = HeadSpec("aspp", AsppHead, "Chen et al. 2017, DeepLabV3, arXiv:1706.05587; torchvision DeepLabHead")
