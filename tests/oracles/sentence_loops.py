"""What a sentence says of boxes, one pair at a time, in float64."""

import math


def area(box):
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def intersection(box, other):
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(0.0, width) * max(0.0, height)


def iou(box, other):
    inside = intersection(box, other)
    return inside / (area(box) + area(other) - inside)


def settle(earlier, boxes, config):
    """Return the box of each earlier phrase, None where none fits, and the claims on each box.

    `earlier` holds fits by box and whether several things are meant; `boxes` corners, score,
    whether merged, and share of the image, of real boxes alone.
    """
    picks, claims = [], [0.0] * len(boxes)
    for fits, is_plural in earlier:
        best, pick = -math.inf, None
        for number, (_, score, is_merged, share) in enumerate(boxes):
            if fits[number] == 0:
                continue
            logit = config.prior_weight * math.log(fits[number] + config.prior_floor)
            logit += config.prior_score * math.log(max(score, 1e-3))
            logit += config.prior_area * math.log(max(share, 1e-4))
            logit -= config.prior_number * (is_merged != is_plural)
            logit -= config.prior_claim * claims[number]
            if logit > best:
                best, pick = logit, number
        picks.append(pick)
        if pick is not None and not is_plural:
            for number, (box, *_) in enumerate(boxes):
                claims[number] += iou(boxes[pick][0], box) * (fits[number] > 0)
    return picks, claims


def sentence_logits(phrase, earlier, boxes, config):
    """Return what the sentence says of every real box for one phrase.

    `phrase` holds its fits by box, the number of its wearer or -1, and whether it is of the body.
    """
    fits, wearer, is_body = phrase
    picks, claims = settle(earlier, boxes, config)
    if wearer >= 0 and picks[wearer] is not None:
        whole = boxes[picks[wearer]][0]
        logits = []
        for box, *_ in boxes:
            inside = intersection(box, whole) / area(box)
            logit = config.prior_wearer * math.log(inside + 0.05)
            part = min(1.0, max(0.03, area(box) / area(whole)))
            logits.append(logit + config.prior_part_area * is_body * math.log(part))
        return logits
    informed = any(fit > 0 for fit in fits) and any(fit != 1 for fit in fits)
    return [-config.prior_claim * claim * informed for claim in claims]
