"""The prior of boxes, one pair at a time, in float64."""

import math

import numpy as np


def prior_logits(fits, colours, boxes, is_plural, config):
    """Return the prior of R boxes for P phrases.

    `fits` and `colours` are (P, R), `is_plural` (P,); `boxes` holds `scores`, `is_merged`, `real`
    and `shares` of the image, each (R,).
    """
    scores, is_merged, real, shares = boxes
    logits = np.zeros(fits.shape)
    for phrase, row in enumerate(fits):
        seen = [fit for fit, is_real in zip(row, real, strict=True) if is_real]
        informed = any(fit > 0 for fit in seen) and any(fit != 1 for fit in seen)
        for box, fit in enumerate(row):
            log_area = math.log(max(shares[box], 1e-4))
            log_score = math.log(max(scores[box], 1e-3))
            logits[phrase, box] = config.prior_area_unfit * log_area
            logits[phrase, box] += config.prior_score_unfit * log_score
            if informed:
                logits[phrase, box] = (
                    config.prior_weight * math.log(fit + config.prior_floor)
                    + config.prior_score * log_score
                    + config.prior_area * log_area
                )
            several_for_one = is_merged[box] and not is_plural[phrase]
            one_for_several = is_plural[phrase] and not is_merged[box]
            if several_for_one or (informed and one_for_several):
                logits[phrase, box] -= config.prior_number
    for phrase, row in enumerate(colours):
        if any(share > 0 for share, is_real in zip(row, real, strict=True) if is_real):
            for box, share in enumerate(row):
                held = share * math.sqrt(max(shares[box], 1e-4))
                logits[phrase, box] += config.prior_colour * math.log(held + 1e-3)
    return logits
