"""The ranking losses the AFT paper compares with (its Appendix F): RRHF, PRO and the ranking version of DPO.

Each can carry the paper's detached constraint ("with constraint" in Table 4, "+ RDC1" in Table 11): as in Eq. 12 the
worse member of a pair gives its value and no gradient, so the loss only raises scores and lowers none. A response in
the middle of a ranking is still raised as the better member of its own pairs.

Shapes are those of `alignment`: scores, ranks and valid are (batch, k), and the result is (batch,), which is 0 for a
group without pairs.
"""

from torch import Tensor
from torch.nn.functional import pad, relu

from datagen_trainers.losses.pair_matrix import in_float32, log_one_plus_sum_exp, pair_scores


def rrhf_loss(scores: Tensor, ranks: Tensor, valid: Tensor, *, scale: float = 1.0, constraint: bool = False) -> Tensor:
    """RRHF (Yuan et al. 2023), Eq. 18: scale * sum over pairs of max(0, s_j - s_i); `scale` is Table 10's factor.

    RRHF's own code divides every log-likelihood by the padded length, so that short answers win; here s is Eq. 2.
    """
    better, worse, keep = pair_scores(scores, ranks, valid, detach_worse=constraint)
    return scale * relu(worse - better).masked_fill(~keep, 0.0).sum(dim=(1, 2))


def pro_loss(
    scores: Tensor, ranks: Tensor, valid: Tensor, *, dynamic_temperature: bool = True, constraint: bool = False
) -> Tensor:
    """PRO (Song et al. 2023), Eq. 20: sum_i log(1 + sum_{j below i} exp(tau_ij s_j - tau_i^max s_i)).

    With the dynamic temperature of Eq. 21 tau_ij = r_i - r_j and tau_i^max is the largest of them; without it ("remove
    tau" in Table 11) both are 1. The equations ask for tau > 0, so equal ranks give no term; PRO's own code keeps a
    constant 1 for each.
    """
    better, worse, keep = pair_scores(scores, ranks, valid, detach_worse=constraint)
    if dynamic_temperature:
        r = ranks.to(better.dtype)
        # Masked before it multiplies a score: backwards, the NaN or inf of a padding slot's rank times 0 would be NaN.
        tau = (r[:, :, None] - r[:, None, :]).masked_fill(~keep, 0.0)
    else:
        tau = keep.to(better.dtype)
    tau_max = pad(tau, (0, 1)).amax(dim=2, keepdim=True)  # padded, so that k = 0 has a maximum
    return log_one_plus_sum_exp(tau * worse - tau_max * better, keep).sum(dim=1)


def ranking_dpo_loss(
    scores: Tensor,
    ranks: Tensor,
    valid: Tensor,
    reference_scores: Tensor,
    *,
    dpo_beta: float = 0.1,
    constraint: bool = False,
) -> Tensor:
    """Ranking DPO, Eq. 16: sum_i log(1 + sum_{j below i} exp(beta (d_j - d_i))), d = s - s of the reference model.

    Two candidates give DPO's sigmoid loss on token means. `reference_scores` (batch, k) are constants. `dpo_beta` is
    not the boundary's beta; 0.1 is what Appendix F.1 quotes from DPO.
    """
    if reference_scores.shape != scores.shape:
        raise ValueError(f"{tuple(reference_scores.shape)} reference scores for {tuple(scores.shape)} scores")
    s = in_float32(scores)
    gained = s - reference_scores.detach().to(s.dtype)
    better, worse, keep = pair_scores(gained, ranks, valid, detach_worse=constraint)
    return log_one_plus_sum_exp(dpo_beta * (worse - better), keep).sum(dim=1)
